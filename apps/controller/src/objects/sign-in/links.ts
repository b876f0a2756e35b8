import { createHash, randomBytes, randomUUIDv7 } from 'node:crypto';
import type { SignInLink } from '@sallyport/contract';
import { selectIn } from '../../db/chunks.ts';
import type { Row } from '../../db/schema.ts';
import { type Scoped, unscoped } from '../../db/scoped.ts';
import type { Store, Tx } from '../../db/store.ts';
import { ApiError } from '../../errors.ts';

/** A sign-in link as the database holds it: a hash, never the secret. */
export type LinkRow = Row<'sign_in_links'>;

const hour = 3600 * 1000;
/** How long links are good, milliseconds. */
const lifeMs = {
  SET_UP: 24 * hour,
  INVITATION: 7 * 24 * hour,
  PASSWORD: hour,
  OPERATOR: hour,
} as const satisfies Record<SignInLink['purpose'], number>;

/** Page of the console that opens links. The secret is the fragment, which browsers do not send. */
export const linkUrl = (place: string, secret: string): string => `${place}/console/link#${secret}`;

/** Returns a secret of 32 random bytes. */
const randomSecret = (): string => secretText(randomBytes(32));

/** Writes 32 bytes as the secret of a link. */
export const secretText = (bytes: Buffer): string => `spl_${bytes.toString('base64url')}`;

/**
 * Makes a link and ends the older ones of the same user, or of the set-up. The secret is in the answer only. `createdBy`
 * names who asked for it, for lists of links. `secretOf`: makes the secret from the id of the link.
 */
export async function issueLink(
  tx: Tx,
  purpose: SignInLink['purpose'],
  user: string | null,
  createdBy: string | null,
  secretOf: (id: string) => string = randomSecret,
): Promise<{ readonly id: string; readonly secret: string; readonly expiresAt: number }> {
  const older = tx.scoped.deleteFrom('sign_in_links');
  await (user === null ? older.where('user_id', 'is', null) : older.where('user_id', '=', user)).execute();
  const id = randomUUIDv7();
  const secret = secretOf(id);
  const expiresAt = tx.now + lifeMs[purpose];
  const row = {
    id,
    user_id: user,
    secret_hash: hashOf(secret),
    purpose,
    created_at: tx.now,
    expires_at: expiresAt,
    created_by: createdBy,
  };
  await tx.scoped.insertInto('sign_in_links', row).execute();
  return { id, secret, expiresAt };
}

/** Returns the link of a secret. Throws `link_gone` when it is unknown, was used, was replaced, or is too old. */
export async function findLink(store: Store, secret: string): Promise<LinkRow> {
  const row = await unscoped(store.db, 'the secret of a link tells its tenant')
    .selectFrom('sign_in_links')
    .selectAll()
    .where('secret_hash', '=', hashOf(secret))
    .executeTakeFirst();
  if (row === undefined || row.expires_at <= store.now()) throw gone();
  return row;
}

/** Returns the secret of the open link that `secretOf` has made for this purpose; null: there is none. */
export async function openSecret(
  tx: Tx,
  purpose: SignInLink['purpose'],
  secretOf: (id: string) => string,
): Promise<string | null> {
  const rows = await tx.scoped
    .selectFrom('sign_in_links')
    .select(['id', 'secret_hash'])
    .where('purpose', '=', purpose)
    .where('expires_at', '>', tx.now)
    .execute();
  const row = rows.find(({ id, secret_hash }) => hashOf(secretOf(id)) === secret_hash);
  return row === undefined ? null : secretOf(row.id);
}

/** Spends a link within the write that stores the method. Throws `link_gone` when another request was first. */
export async function spendLink(tx: Tx, id: string): Promise<void> {
  const { numDeletedRows } = await tx.scoped.deleteFrom('sign_in_links').where('id', '=', id).executeTakeFirstOrThrow();
  if (numDeletedRows === 0n) throw gone();
}

/** Returns the links of users that are still good, by user. A user has one at most. */
export async function openLinks(
  db: Scoped,
  users: readonly string[],
  now: number,
): Promise<ReadonlyMap<string, LinkRow>> {
  const rows = await selectIn(users, (part) =>
    db.selectFrom('sign_in_links').selectAll().where('user_id', 'in', part).where('expires_at', '>', now).execute(),
  );
  return new Map(rows.flatMap((row) => (row.user_id === null ? [] : [[row.user_id, row] as const])));
}

/** Deletes every link of a user. */
export async function removeLinks(tx: Tx, user: string): Promise<void> {
  await tx.scoped.deleteFrom('sign_in_links').where('user_id', '=', user).execute();
}

const gone = (): ApiError =>
  new ApiError('link_gone', 'It was used, replaced by a newer one, or is too old: ask for another one');

const hashOf = (secret: string): string => createHash('sha256').update(secret).digest('hex');
