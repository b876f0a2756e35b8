import { hash, randomBytes, randomUUIDv7 } from 'node:crypto';
import type { ApiKey, RoleType } from '@sallyport/contract';
import type { Row } from '../../db/schema.ts';
import type { Tx } from '../../db/store.ts';

/** An API key as the database holds it: a hash, never the key. */
export type ApiKeyRow = Row<'api_keys'>;

/** An API key to be made. */
export interface NewApiKey {
  readonly name: string;
  readonly role: RoleType;
  readonly expiresAt: number | null;
  /** The key itself; made when left out. */
  readonly key?: string;
}

/** Makes a key of the tenant. The key itself is in the answer only: what stays is its SHA-256. */
export async function issueApiKey(tx: Tx, wanted: NewApiKey): Promise<ApiKey & { key: string }> {
  const key = wanted.key ?? `sak_${randomBytes(32).toString('base64url')}`;
  const row = {
    id: randomUUIDv7(),
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
  return { ...apiKeyView(row, null), key };
}

/** SHA-256 is enough for keys that hold 256 random bits, and the same key is found by it. */
export const hashKey = (key: string): string => hash('sha256', key);

/** Enough to tell keys apart, far too little to guess one. */
const prefixLength = 10;

/** Returns a key in the form of the audit trail. */
export const audited = ({ id, name, role, prefix, expires_at }: Omit<ApiKeyRow, 'tenant_id'>) => ({
  id,
  name,
  role,
  prefix,
  expires_at,
});

/** A key as answers carry it, without the key. `lastUsed`: moment of use that is not in the row yet. */
export function apiKeyView(row: Omit<ApiKeyRow, 'tenant_id'>, lastUsed: number | null): ApiKey {
  const used = lastUsed ?? row.last_used_at;
  return {
    id: row.id,
    createdAt: new Date(row.created_at).toISOString(),
    name: row.name,
    role: row.role,
    prefix: row.prefix,
    ...(row.expires_at === null ? {} : { expiresAt: new Date(row.expires_at).toISOString() }),
    ...(used === null ? {} : { lastUsedAt: new Date(used).toISOString() }),
  };
}
