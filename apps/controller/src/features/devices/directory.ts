import type { AgentBook, AgentRecord, DeviceFacts, EnrolmentKeys, EnrolOutcome } from '../../channel/types.ts';
import { chunks } from '../../db/chunks.ts';
import { byAgent, bySystem } from '../../db/contexts.ts';
import { unscoped } from '../../db/scoped.ts';
import type { Store, Tx } from '../../db/store.ts';
import { ApiError } from '../../errors.ts';
import { RefusedEnrolments } from '../../objects/agents/refused-enrolments.ts';
import { isForeignKey } from '../../objects/agents/wireguard-keys.ts';
import { enrolDevice } from '../../objects/devices/commands.ts';
import { noteHandshake, noteSource, noteTold } from '../../objects/devices/facts.ts';
import { type DeviceRow, findDevice, updateDevice } from '../../objects/devices/store.ts';
import { keyAnywhere, openKey, useUp } from '../../objects/enrolment-keys/redeem.ts';
import type { SecretBox } from '../../secrets/box.ts';

/** What the directory of devices needs. */
export interface DeviceDirectoryDeps {
  readonly store: Store;
  readonly box: SecretBox;
  /** WireGuard keys of the controller itself, base64. */
  readonly reservedKeys: ReadonlySet<string>;
}

/** Answers the agent channel's questions about devices. A client names only its id; the tenant is found here. */
export function createDeviceDirectory(deps: DeviceDirectoryDeps) {
  const { store } = deps;
  const refused = new RefusedEnrolments(store);
  const book: AgentBook = {
    find: async (id) => {
      const row = await findAnywhere(store, id);
      if (row !== undefined) return record(row, row.identity_key === null ? null : row.public_key);
      if (await wasDeleted(store, id)) return 'deleted';
      const key = await keyAnywhere(store, id);
      return key === undefined ? null : record({ ...key, name: key.name ?? '', identity_key: null }, null);
    },
    enrol: async (id, secret, keys) => {
      const key = await keyAnywhere(store, id);
      if (key === undefined) return 'bad-token';
      const outcome = await store
        .write(byAgent(key, 'enrol'), (tx) => enrol(tx, deps, id, secret, keys))
        .catch(tooManyDevices);
      await refused.note('enrolment-key', key, outcome, byAgent(key, 'enrolment refused'));
      return outcome;
    },
    wireguardKeyChanged: async (id, key) => {
      const found = await findAnywhere(store, id);
      if (found === undefined) return 'changed';
      return store.write(byAgent(found, 'new WireGuard key'), (tx) => newKey(tx, deps, id, key));
    },
  };
  return {
    book,
    deviceTold: async (device: string, facts: DeviceFacts) => {
      const row = await findAnywhere(store, device);
      if (row !== undefined) await store.write(byAgent(row, 'told'), (tx) => noteTold(tx, device, facts));
    },
    deviceSeen: async (tenant: string, moments: ReadonlyMap<string, number>) => {
      for (const part of chunks([...moments], rowsPerWrite))
        await store.write(bySystem(tenant, 'write behind'), async (tx) => {
          for (const [device, at] of part) await noteHandshake(tx, device, at);
        });
    },
    deviceMoved: async (tenant: string, sources: ReadonlyMap<string, string>) => {
      for (const part of chunks([...sources], rowsPerWrite))
        await store.write(bySystem(tenant, 'write behind'), async (tx) => {
          for (const [device, source] of part) await noteSource(tx, device, source);
        });
    },
  };
}

/** Rows per delayed write, which takes a few milliseconds. */
const rowsPerWrite = 200;

const clients = (store: Store) =>
  unscoped(store.db, 'a client knows the id of its device only; the tenant comes from the row');

const findAnywhere = (store: Store, id: string): Promise<DeviceRow | undefined> =>
  clients(store).selectFrom('devices').selectAll().where('id', '=', id).executeTakeFirst();

const wasDeleted = async (store: Store, id: string): Promise<boolean> =>
  (await clients(store).selectFrom('deleted_devices').select('id').where('id', '=', id).executeTakeFirst()) !==
  undefined;

const record = (
  row: Pick<DeviceRow, 'id' | 'tenant_id' | 'name' | 'identity_key'>,
  wireguardPublicKey: string | null,
): AgentRecord => ({
  role: 'device',
  id: row.id,
  tenant: row.tenant_id,
  name: row.name,
  identityKey: row.identity_key,
  wireguardPublicKey,
});

function tooManyDevices(error: unknown): EnrolOutcome {
  if (error instanceof ApiError && error.code === 'quota_exceeded') return 'device-limit';
  throw error;
}

async function enrol(
  tx: Tx,
  { box, reservedKeys }: DeviceDirectoryDeps,
  id: string,
  secret: string,
  keys: EnrolmentKeys,
): Promise<EnrolOutcome> {
  const key = await openKey(tx, box, id, secret);
  if (key === 'already-enrolled') {
    // The same client, whose connection ended before it got the answer: no other client has its identity.
    const device = await findDevice(tx.scoped, id);
    return device?.identity_key === keys.identityKey ? 'enrolled' : key;
  }
  if (typeof key === 'string') return key;
  if (await isForeignKey(tx, id, keys.wireguardPublicKey, reservedKeys)) return 'key-taken';
  const outcome = await enrolDevice(tx, key, keys);
  if (outcome === 'enrolled') await useUp(tx, key);
  return outcome;
}

async function newKey(
  tx: Tx,
  { reservedKeys }: DeviceDirectoryDeps,
  id: string,
  key: string,
): Promise<'changed' | 'key-taken'> {
  const row = await findDevice(tx.scoped, id);
  if (row === undefined || row.public_key === key) return 'changed';
  if (await isForeignKey(tx, id, key, reservedKeys)) return 'key-taken';
  await updateDevice(tx, id, { public_key: key });
  tx.changed({ kind: 'device', id, op: 'update', name: row.name, after: { public_key: key } });
  return 'changed';
}
