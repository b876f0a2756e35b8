import { randomBytes, randomUUIDv7 } from 'node:crypto';
import type { Input } from '@sallyport/contract';
import { formatEnrolmentToken } from '@sallyport/contract/channel';
import type { Tx } from '../../db/store.ts';
import { invalidField, notFound } from '../../errors.ts';
import { auditedKey } from '../../objects/enrolment-keys/audited.ts';
import { deleteKey, type EnrolmentKeyRow, findKey, insertKey } from '../../objects/enrolment-keys/store.ts';
import { deviceUsers } from '../../objects/users/queries.ts';
import type { SecretBox } from '../../secrets/box.ts';
import type { ControllerIdentity } from '../../secrets/identity.ts';

/** What the commands on enrolment keys need. */
export interface EnrolmentKeyDeps {
  readonly box: SecretBox;
  readonly identity: Pick<ControllerIdentity, 'fingerprint'>;
}

const dayMs = 86_400_000;
/** Longest lifetime of a key, and how long it is listed. */
export const longestLifeMs = 30 * dayMs;

/** Creates a key. Only the answer holds the key itself; the database stores a keyed hash of its secret. */
export async function createEnrolmentKey(
  tx: Tx,
  { box, identity }: EnrolmentKeyDeps,
  body: Input<'createEnrolmentKey'>['body'],
): Promise<{ row: EnrolmentKeyRow; key: string }> {
  const owner = body.user?.toLowerCase() ?? null;
  if (owner !== null && !(await deviceUsers(tx.scoped, [owner])).has(owner))
    throw invalidField('/user', 'is not the id of a user', 'invalid_reference');
  const id = randomUUIDv7();
  const secret = randomBytes(32).toString('base64url');
  const row = {
    id,
    created_at: tx.now,
    expires_at: expiryOf(tx.now, body.expiresAt ?? null),
    used_at: null,
    name: body.name ?? null,
    user_id: owner,
    secret_hash: box.keyedHash(secret),
  };
  await insertKey(tx, row);
  tx.changed({ kind: 'enrolment-key', id, op: 'create', ...named(row), before: null, after: auditedKey(row) });
  const controllerFingerprint = identity.fingerprint;
  const key = formatEnrolmentToken({ role: 'device', agent: id, secret, controllerFingerprint });
  return { row: { tenant_id: tx.tenant, ...row }, key };
}

/** Deletes a key. A device that has used it stays. */
export async function removeEnrolmentKey(tx: Tx, id: string): Promise<void> {
  const row = await findKey(tx.scoped, id);
  if (row === undefined) throw notFound();
  await deleteKey(tx, id);
  tx.changed({ kind: 'enrolment-key', id, op: 'delete', ...named(row), before: auditedKey(row), after: null });
}

function expiryOf(now: number, wanted: string | null): number {
  if (wanted === null) return now + dayMs;
  const at = Date.parse(wanted);
  if (at <= now) throw invalidField('/expiresAt', 'must be in the future');
  if (at > now + longestLifeMs) throw invalidField('/expiresAt', 'must be at most 30 days from now');
  return at;
}

const named = ({ name }: Pick<EnrolmentKeyRow, 'name'>) => (name === null ? {} : { name });
