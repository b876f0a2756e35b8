import { createHash, randomBytes, randomUUID } from 'node:crypto';
import type { RoleType } from '@sallyport/contract';
import type { Row } from '../../db/schema.ts';
import type { Tx } from '../../db/store.ts';

export type ApiKeyRow = Row<'api_keys'>;

export interface NewApiKey {
  readonly name: string;
  readonly role: RoleType;
  readonly expiresAt: number | null;
  /** The key itself; made when left out. */
  readonly key?: string;
}

/** Makes a key of the tenant. The key is in the answer only: what stays is its SHA-256. */
export async function makeApiKey(tx: Tx, wanted: NewApiKey): Promise<{ row: ApiKeyRow; key: string }> {
  const key = wanted.key ?? `sak_${randomBytes(32).toString('base64url')}`;
  const row = {
    id: randomUUID(),
    created_at: tx.now,
    name: wanted.name,
    role: wanted.role,
    prefix: key.slice(0, prefixLength),
    hash: hashKey(key),
    expires_at: wanted.expiresAt,
    last_used_at: null,
  };
  await tx.scoped.insertInto('api_keys', row).execute();
  tx.changed({ kind: 'api-key', id: row.id, op: 'create', name: row.name, before: null, after: audited(row) });
  return { row: { tenant_id: tx.tenant, ...row }, key };
}

/** SHA-256 is enough for keys that hold 256 random bits, and the same key is found by it. */
export const hashKey = (key: string): string => createHash('sha256').update(key).digest('hex');

/** Enough to tell keys apart, far too little to guess one. */
const prefixLength = 10;

export const audited = ({ id, name, role, prefix, expires_at }: Omit<ApiKeyRow, 'tenant_id'>) => ({
  id,
  name,
  role,
  prefix,
  expires_at,
});
