import { timingSafeEqual } from 'node:crypto';
import { unscoped } from '../../db/scoped.ts';
import type { Store, Tx } from '../../db/store.ts';
import type { SecretBox } from '../../secrets/box.ts';
import { auditedKey } from './audited.ts';
import { type EnrolmentKeyRow, findKey, markUsed } from './store.ts';

/** Returns a key of any tenant by the id that a client names. */
export const keyAnywhere = (store: Store, id: string): Promise<EnrolmentKeyRow | undefined> =>
  unscoped(store.db, 'a client knows the id of its key only; the tenant comes from the row')
    .selectFrom('enrolment_keys')
    .selectAll()
    .where('id', '=', id)
    .executeTakeFirst();

/** Returns the key when the secret fits and the key may be used now; otherwise the reason of the refusal. */
export async function openKey(
  tx: Tx,
  box: SecretBox,
  id: string,
  secret: string,
): Promise<EnrolmentKeyRow | 'bad-token' | 'already-enrolled' | 'expired-token'> {
  const row = await findKey(tx.scoped, id);
  if (row === undefined || !sameText(row.secret_hash, box.keyedHash(secret))) return 'bad-token';
  if (row.used_at !== null) return 'already-enrolled';
  return row.expires_at <= tx.now ? 'expired-token' : row;
}

/** Marks a key as used, so that it enrols no other device. */
export async function useUp(tx: Tx, row: EnrolmentKeyRow): Promise<void> {
  await markUsed(tx, row.id);
  const after = auditedKey({ ...row, used_at: tx.now });
  tx.changed({ kind: 'enrolment-key', id: row.id, op: 'update', before: auditedKey(row), after });
}

const sameText = (a: string, b: string): boolean =>
  a.length === b.length && timingSafeEqual(Buffer.from(a), Buffer.from(b));
