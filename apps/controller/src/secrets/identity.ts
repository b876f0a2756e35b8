import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomUUID,
  sign,
} from 'node:crypto';
import { mostSuccessions, type Succession, successionText } from '@sallyport/contract/channel';
import type { Kysely } from 'kysely';
import { decodeJson, encodeJson } from '../db/json.ts';
import type { Database } from '../db/schema.ts';
import { unscoped } from '../db/scoped.ts';
import type { Store } from '../db/store.ts';
import { OperatorError } from '../errors.ts';
import type { SecretBox } from './box.ts';

/** A signing key of the controller. */
export interface SigningKey {
  /** Raw Ed25519 public key, base64 of 32 bytes. */
  readonly publicKey: string;
  /** First 16 bytes of its SHA-256, base64url: the part of gateway tokens by which agents know us. */
  readonly fingerprint: string;
  /** Ed25519 signature in base64. */
  readonly sign: (text: string) => string;
}

/** The identity of this controller towards agents: the same in every replica. Its key can be replaced while it runs. */
export interface ControllerIdentity {
  readonly key: SigningKey;
  /** The replaced key, for agents that cannot follow to a new one. Null: it is gone, or none was replaced. */
  readonly earlier: SigningKey | null;
  /** Leads agents from keys of before to `key`, oldest first. */
  readonly successions: readonly Succession[];
  /** Fingerprint of `key`. */
  readonly fingerprint: string;
  /** The history that revisions belong to. Revisions of different epochs cannot be compared. */
  readonly epoch: string;
}

/** An identity that takes another key. */
export interface RotatingIdentity extends ControllerIdentity {
  /** Takes what the database holds now. */
  reload(): Promise<void>;
}

/** Where the signing key from before is in the table `meta`, and what binds it to that place. */
export const earlierIdentityPlace = 'identity-before';
const successionsPlace = 'successions';

/** Reads the identity from the database, made on the first start. */
export async function loadIdentity(store: Store, box: SecretBox): Promise<RotatingIdentity> {
  let held = await readIdentity(store, box);
  return {
    get key() {
      return held.key;
    },
    get earlier() {
      return held.earlier;
    },
    get successions() {
      return held.successions;
    },
    get fingerprint() {
      return held.key.fingerprint;
    },
    epoch: held.epoch,
    reload: async () => {
      const found = await readIdentity(store, box);
      // A connection keeps its key, so the same key must stay the same object.
      const same = (key: SigningKey): SigningKey =>
        [held.key, held.earlier].find((known) => known?.publicKey === key.publicKey) ?? key;
      held = { ...found, key: same(found.key), earlier: found.earlier === null ? null : same(found.earlier) };
    },
  };
}

/**
 * Puts a new signing key in the place of the present one, in one transaction. The key from before stays until
 * `forgetEarlierKey`, and signs that the new one takes its place.
 */
export async function replaceSigningKey(store: Store, box: SecretBox): Promise<void> {
  const { key, successions } = await readIdentity(store, box);
  const next = generateKeyPairSync('ed25519').privateKey;
  const { publicKey } = signingKey(next);
  const pair = { from: key.publicKey, to: publicKey };
  const chain = [...successions, { ...pair, signature: key.sign(successionText(pair)) }].slice(-mostSuccessions);
  const meta = unscoped(store.db, 'the identity belongs to the controller, not to a tenant');
  await meta.transaction().execute(async (tx) => {
    const sealed = await tx.selectFrom('meta').select('value').where('key', '=', 'identity').executeTakeFirstOrThrow();
    const before = box.seal(box.open(sealed.value, 'identity'), earlierIdentityPlace);
    await put(tx, earlierIdentityPlace, before);
    await put(tx, 'identity', box.seal(pemOf(next), 'identity'));
    await put(tx, successionsPlace, encodeJson(chain));
  });
}

/** Forgets the private half of the signing key from before. Agents that did not follow still can, by the successions. */
export async function forgetEarlierKey(store: Store): Promise<void> {
  const meta = unscoped(store.db, 'the identity belongs to the controller, not to a tenant');
  await meta.deleteFrom('meta').where('key', '=', earlierIdentityPlace).execute();
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
    openKey(box, sealed, 'identity');
    return true;
  } catch {
    return false;
  }
}

type Held = Pick<ControllerIdentity, 'key' | 'earlier' | 'successions' | 'epoch'>;

async function readIdentity(store: Store, box: SecretBox): Promise<Held> {
  const meta = unscoped(store.db, 'the identity belongs to the controller, not to a tenant');
  const places = ['identity', 'epoch', earlierIdentityPlace, successionsPlace];
  const rows = await meta.selectFrom('meta').selectAll().where('key', 'in', places).execute();
  const found = new Map(rows.map((row) => [row.key, row.value]));
  const [sealed, epoch] = [found.get('identity'), found.get('epoch')];
  if (sealed === undefined || epoch === undefined) return makeIdentity(meta, box);
  const earlier = found.get(earlierIdentityPlace);
  return {
    key: signingKey(openKey(box, sealed, 'identity')),
    earlier: earlier === undefined ? null : signingKey(openKey(box, earlier, earlierIdentityPlace)),
    successions: decodeJson<Succession[]>(found.get(successionsPlace) ?? '[]'),
    epoch,
  };
}

async function makeIdentity(meta: Kysely<Database>, box: SecretBox): Promise<Held> {
  const made = { key: generateKeyPairSync('ed25519').privateKey, epoch: randomUUID() };
  const values = [
    { key: 'identity', value: box.seal(pemOf(made.key), 'identity') },
    { key: 'epoch', value: made.epoch },
  ];
  await meta.insertInto('meta').values(values).execute();
  return { key: signingKey(made.key), earlier: null, successions: [], epoch: made.epoch };
}

async function put(tx: Kysely<Database>, key: string, value: string): Promise<void> {
  await tx
    .insertInto('meta')
    .values({ key, value })
    .onConflict((conflict) => conflict.column('key').doUpdateSet({ value }))
    .execute();
}

function openKey(box: SecretBox, sealed: string, purpose: string): KeyObject {
  try {
    return createPrivateKey(box.open(sealed, purpose));
  } catch {
    throw new OperatorError(
      'the master key does not fit this database: restore the master.key file that belongs to it',
    );
  }
}

const pemOf = (key: KeyObject): string => key.export({ type: 'pkcs8', format: 'pem' }).toString();

function signingKey(key: KeyObject): SigningKey {
  const raw = createPublicKey(key).export({ type: 'spki', format: 'der' }).subarray(-32);
  return {
    publicKey: raw.toString('base64'),
    fingerprint: createHash('sha256').update(raw).digest().subarray(0, 16).toString('base64url'),
    sign: (text) => sign(null, Buffer.from(text), key).toString('base64'),
  };
}
