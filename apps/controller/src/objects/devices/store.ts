import { chunks, selectIn } from '../../db/chunks.ts';
import type { Row, RowUpdate } from '../../db/schema.ts';
import type { Scoped, WithoutTenant } from '../../db/scoped.ts';
import type { Tx } from '../../db/store.ts';
import type { Page } from '../../http/paging.ts';

/** A device as the database holds it. */
export type DeviceRow = Row<'devices'>;

/** Returns a device; undefined when there is none with this id. `owner`: only when the device is this user's. */
export function findDevice(db: Scoped, id: string, owner?: string): Promise<DeviceRow | undefined> {
  const query = db.selectFrom('devices').selectAll().where('id', '=', id);
  return (owner === undefined ? query : query.where('user_id', '=', owner)).executeTakeFirst();
}

/** Returns devices in no particular order. Unknown ids are left out. */
export const findDevices = (db: Scoped, ids: readonly string[]): Promise<DeviceRow[]> =>
  selectIn(ids, (part) => db.selectFrom('devices').selectAll().where('id', 'in', part).execute());

/** Returns whether devices are active; null: all devices. */
export const activeOf = (db: Scoped, ids: readonly string[] | null) => {
  const all = db.selectFrom('devices').select(['id', 'active']);
  return ids === null ? all.execute() : selectIn(ids, (part) => all.where('id', 'in', part).execute());
};

/** Devices of a user, in order of creation. */
export const ownedDevices = (db: Scoped, user: string): Promise<DeviceRow[]> =>
  db.selectFrom('devices').selectAll().where('user_id', '=', user).orderBy('created_at').orderBy('id').execute();

/** Returns what tells the last connection of users' devices. */
export const connectionsOf = (db: Scoped, users: readonly string[]) =>
  selectIn(users, (part) =>
    db
      .selectFrom('devices')
      .select(['id', 'user_id', 'active', 'last_connection'])
      .where('user_id', 'in', part)
      .execute(),
  );

/** Returns the ids of devices whose entry gateway this is. */
export async function devicesThrough(db: Scoped, gateway: string): Promise<string[]> {
  const rows = await db.selectFrom('devices').select('id').where('entry_gateway_id', '=', gateway).execute();
  return rows.map(({ id }) => id);
}

/** A page of the devices of a user, in order of creation, and how many there are. */
export async function pageOfOwned(db: Scoped, user: string, { limit, offset }: Page) {
  const own = db.selectFrom('devices').where('user_id', '=', user);
  const rows = await own.selectAll().orderBy('created_at').orderBy('id').limit(limit).offset(offset).execute();
  const { total } = await own.select((eb) => eb.fn.countAll<number>().as('total')).executeTakeFirstOrThrow();
  return { rows, total };
}

/** Returns whether a device or gateway of the tenant has the WireGuard key. */
export async function isKeyTaken(db: Scoped, key: string): Promise<boolean> {
  const device = await db.selectFrom('devices').select('id').where('public_key', '=', key).executeTakeFirst();
  const gateway = await db.selectFrom('gateways').select('id').where('wireguard_key', '=', key).executeTakeFirst();
  return device !== undefined || gateway !== undefined;
}

/** Inserts a device. */
export async function insertDevice(tx: Tx, row: WithoutTenant<'devices'>): Promise<void> {
  await tx.scoped.insertInto('devices', row).execute();
}

/** Sets columns of a device. */
export async function updateDevice(tx: Tx, id: string, values: RowUpdate<'devices'>): Promise<void> {
  await tx.scoped.updateTable('devices').set(values).where('id', '=', id).execute();
}

/** Increments the versions of devices. */
export async function bumpDevices(tx: Tx, ids: readonly string[]): Promise<void> {
  for (const part of chunks(ids))
    await tx.scoped
      .updateTable('devices')
      .set((eb) => ({ version: eb('version', '+', 1), updated_at: tx.now }))
      .where('id', 'in', part)
      .execute();
}

/** Deletes a device. The tombstone tells its client to undo everything. */
export async function deleteDevice(tx: Tx, { id, identity_key }: DeviceRow): Promise<void> {
  await tx.scoped.deleteFrom('devices').where('id', '=', id).execute();
  if (identity_key === null) return;
  await tx.scoped.insertInto('deleted_devices', { id, deleted_at: tx.now }).execute();
}
