import { randomUUIDv7 } from 'node:crypto';
import type { SignInMethod } from '@sallyport/contract';
import { decodeJson, encodeJson } from '../../db/json.ts';
import type { Row } from '../../db/schema.ts';
import type { Scoped } from '../../db/scoped.ts';
import type { Tx } from '../../db/store.ts';
import { ApiError } from '../../errors.ts';

/** A sign-in method as the database holds it. */
export type MethodRow = Row<'sign_in_methods'>;

/** Kinds of sign-in methods. */
export type MethodKind = SignInMethod['kind'];

/** What a method of each kind keeps. */
export interface MethodData {
  /** PHC string. */
  PASSWORD: { readonly hash: string };
  PASSKEY: {
    /** COSE key, base64url. */
    readonly publicKey: string;
    readonly counter: number;
    readonly relyingParty: string;
    readonly transports: readonly string[];
    readonly backedUp: boolean;
  };
  /** The secret in base 32, sealed with the master key; the last step that was used. */
  TOTP: { readonly sealed: string; readonly lastStep: number };
  /** SHA-256 of the codes that are left. */
  RECOVERY_CODES: { readonly hashes: readonly string[] };
  /** What the provider last said about the person. Administrators' attributes are elsewhere. */
  PROVIDER: {
    readonly subject: string;
    readonly email: string | null;
    readonly groups: readonly string[] | null;
  };
}

/** Methods that a user may have at most. */
const limit = 20;

/** Methods that sign in on their own. TOTP and recovery codes only go with a password. */
export const signsIn = ({ kind }: Pick<MethodRow, 'kind'>): boolean => kind !== 'TOTP' && kind !== 'RECOVERY_CODES';

/** Returns the sign-in methods of a user. */
export const methodsOf = (db: Scoped, user: string): Promise<MethodRow[]> =>
  db
    .selectFrom('sign_in_methods')
    .selectAll()
    .where('user_id', '=', user)
    .orderBy('created_at')
    .orderBy('id')
    .execute();

/** Returns a sign-in method; undefined when there is none with this id. */
export const findMethod = (db: Scoped, id: string): Promise<MethodRow | undefined> =>
  db.selectFrom('sign_in_methods').selectAll().where('id', '=', id).executeTakeFirst();

/** Returns the method of a kind; null when the user has none. */
export const methodOf = (
  methods: readonly MethodRow[],
  kind: Exclude<MethodKind, 'PASSKEY' | 'PROVIDER'>,
): MethodRow | null => methods.find((method) => method.kind === kind) ?? null;

/** Returns the stored data of a method. */
export const dataOf = <K extends MethodKind>(row: MethodRow, _kind: K): MethodData[K] => decodeJson(row.data);

/** Adds a method. Of every kind but PASSKEY and PROVIDER the new one takes the place of the old one. */
export async function putMethod<K extends MethodKind>(
  tx: Tx,
  user: string,
  kind: K,
  name: string,
  data: MethodData[K],
  credentialId: string | null = null,
  provider: string | null = null,
): Promise<MethodRow> {
  if (kind !== 'PASSKEY' && kind !== 'PROVIDER')
    await tx.scoped.deleteFrom('sign_in_methods').where('user_id', '=', user).where('kind', '=', kind).execute();
  if ((await methodsOf(tx.scoped, user)).length >= limit)
    throw new ApiError('method_limit', `${limit} sign-in methods are allowed: remove one first`);
  const row = {
    id: randomUUIDv7(),
    user_id: user,
    created_at: tx.now,
    last_used_at: null,
    kind,
    name,
    credential_id: credentialId,
    provider_id: provider,
    data: encodeJson(data),
  };
  await tx.scoped.insertInto('sign_in_methods', row).execute();
  return { ...row, tenant_id: tx.tenant };
}

/** Notes that a method was used, with what that changes in it. */
export async function useMethod<K extends MethodKind>(
  tx: Tx,
  row: MethodRow,
  _kind: K,
  data: MethodData[K],
): Promise<void> {
  await tx.scoped
    .updateTable('sign_in_methods')
    .set({ last_used_at: tx.now, data: encodeJson(data) })
    .where('id', '=', row.id)
    .execute();
}

/** Deletes every sign-in method of a user. */
export async function removeMethods(tx: Tx, user: string): Promise<void> {
  await tx.scoped.deleteFrom('sign_in_methods').where('user_id', '=', user).execute();
}

/** A method as answers carry it: nothing that helps to sign in. */
export function methodView(row: MethodRow): SignInMethod {
  return {
    id: row.id,
    kind: row.kind,
    name: row.name,
    createdAt: new Date(row.created_at).toISOString(),
    ...(row.last_used_at === null ? {} : { lastUsedAt: new Date(row.last_used_at).toISOString() }),
    ...(row.kind === 'RECOVERY_CODES' ? { left: dataOf(row, 'RECOVERY_CODES').hashes.length } : {}),
    ...(row.kind === 'PROVIDER' ? { account: accountOf(dataOf(row, 'PROVIDER')) } : {}),
    ...(row.kind === 'PASSKEY' ? { backedUp: dataOf(row, 'PASSKEY').backedUp } : {}),
  };
}

const accountOf = ({ email, subject }: MethodData['PROVIDER']): string => email ?? subject;
