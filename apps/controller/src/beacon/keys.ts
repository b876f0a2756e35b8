import { randomBytes } from 'node:crypto';
import { privateKeyFrom, publicKeyOf } from '@sallyport/wireguard';
import { unscoped } from '../db/scoped.ts';
import type { Store } from '../db/store.ts';
import { OperatorError } from '../errors.ts';
import type { SecretBox } from '../secrets/box.ts';

/** A WireGuard key of the controller's own, base64. */
export interface OwnKey {
  readonly privateKey: string;
  readonly publicKey: string;
}

/**
 * The controller's WireGuard keys: one for each port of the beacon, and one that knocks at gateways. The last must
 * differ from the first two: WireGuard would follow it to the knocker's address and away from the beacon.
 */
export interface BeaconKeys {
  readonly ports: readonly [OwnKey, OwnKey];
  readonly probe: OwnKey;
}

/** Reads the keys from the database. The first start creates them. All replicas share them. */
export async function loadBeaconKeys(store: Store, box: SecretBox): Promise<BeaconKeys> {
  const meta = unscoped(store.db, 'the keys of the beacon belong to the controller, not to a tenant');
  const row = await meta.selectFrom('meta').select('value').where('key', '=', beaconKeysPlace).executeTakeFirst();
  if (row !== undefined) return keysOf(openKeys(box, row.value));
  const made = [newPrivateKey(), newPrivateKey(), newPrivateKey()];
  await meta
    .insertInto('meta')
    .values({ key: beaconKeysPlace, value: box.seal(made.join(' '), beaconKeysPlace) })
    .execute();
  return keysOf(made);
}

/** Where the keys are in the table `meta`, and what binds them to it. */
export const beaconKeysPlace = 'beacon-keys';

function openKeys(box: SecretBox, sealed: string): string[] {
  try {
    return box.open(sealed, beaconKeysPlace).split(' ');
  } catch {
    throw new OperatorError(
      'the master key does not fit this database: restore the master.key file that belongs to it',
    );
  }
}

function keysOf(privateKeys: readonly string[]): BeaconKeys {
  const [first, second, probe] = privateKeys.map((privateKey) => ({ privateKey, publicKey: publicKeyOf(privateKey) }));
  if (first === undefined || second === undefined || probe === undefined)
    throw new OperatorError('the keys of the beacon in the database are incomplete');
  return { ports: [first, second], probe };
}

const newPrivateKey = (): string => privateKeyFrom(randomBytes(32));
