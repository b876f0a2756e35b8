import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomUUID,
  sign,
} from 'node:crypto';
import type { Kysely } from 'kysely';
import type { Database } from '../db/schema.ts';
import { unscoped } from '../db/scoped.ts';
import type { Store } from '../db/store.ts';
import { OperatorError } from '../errors.ts';
import type { SecretBox } from './box.ts';

/** The identity of this controller towards agents: the same in every replica, for the life of the database. */
export interface ControllerIdentity {
  /** Raw Ed25519 public key, base64 of 32 bytes. */
  readonly publicKey: string;
  /** First 16 bytes of its SHA-256, base64url: the part of gateway tokens by which agents know us. */
  readonly fingerprint: string;
  /** The history that revisions belong to. Revisions of different epochs cannot be compared. */
  readonly epoch: string;
  /** Ed25519 signature in base64. */
  sign(text: string): string;
}

/** Reads the identity from the database, made on the first start. */
export async function loadIdentity(store: Store, box: SecretBox): Promise<ControllerIdentity> {
  const meta = unscoped(store.db, 'the identity belongs to the controller, not to a tenant');
  const rows = await meta.selectFrom('meta').selectAll().where('key', 'in', ['identity', 'epoch']).execute();
  const found = new Map(rows.map((row) => [row.key, row.value]));
  const sealed = found.get('identity');
  const epoch = found.get('epoch');
  if (sealed !== undefined && epoch !== undefined) return identity(openKey(box, sealed), epoch);
  const made = { key: generateKeyPairSync('ed25519').privateKey, epoch: randomUUID() };
  const pem = made.key.export({ type: 'pkcs8', format: 'pem' }).toString();
  const values = [
    { key: 'identity', value: box.seal(pem, 'identity') },
    { key: 'epoch', value: made.epoch },
  ];
  await meta.insertInto('meta').values(values).execute();
  return identity(made.key, made.epoch);
}

/** Begins a new epoch. Agents then discard what they know from earlier epochs of this database. */
export async function beginEpoch(store: Store): Promise<void> {
  await setEpoch(unscoped(store.db, 'the epoch belongs to the controller, not to a tenant'));
}

/** Does the same inside a transaction of the caller. */
export async function setEpoch(meta: Kysely<Database>): Promise<void> {
  await meta.updateTable('meta').set({ value: randomUUID() }).where('key', '=', 'epoch').execute();
}

/** Returns whether the box belongs to the database with this sealed identity. */
export function identityFits(box: SecretBox, sealed: string): boolean {
  try {
    openKey(box, sealed);
    return true;
  } catch {
    return false;
  }
}

function openKey(box: SecretBox, sealed: string): KeyObject {
  try {
    return createPrivateKey(box.open(sealed, 'identity'));
  } catch {
    throw new OperatorError(
      'the master key does not fit this database: restore the master.key file that belongs to it',
    );
  }
}

function identity(key: KeyObject, epoch: string): ControllerIdentity {
  const raw = createPublicKey(key).export({ type: 'spki', format: 'der' }).subarray(-32);
  return {
    publicKey: raw.toString('base64'),
    fingerprint: createHash('sha256').update(raw).digest().subarray(0, 16).toString('base64url'),
    epoch,
    sign: (text) => sign(null, Buffer.from(text), key).toString('base64'),
  };
}
