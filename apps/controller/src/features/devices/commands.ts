import { createHash, randomUUIDv7 } from 'node:crypto';
import type { Input } from '@sallyport/contract';
import { bit } from '../../db/json.ts';
import type { Tx } from '../../db/store.ts';
import { type Tracking, tracked } from '../../db/tracked.ts';
import { ApiError, invalidField, notFound } from '../../errors.ts';
import { type RequestContext, requireVersion } from '../../http/handlers.ts';
import { freeOverlay, takeOverlay } from '../../overlay/allocator.ts';
import { cutFromPolicies } from '../policies/cut.ts';
import {
  bumpDevices,
  type DeviceRow,
  deleteDevice,
  findDevice,
  findDevices,
  insertDevice,
  isKeyTaken,
  ownedDevices,
  updateDevice,
} from './store.ts';

export async function createDevice(tx: Tx, body: Input<'createDevice'>['body']): Promise<string> {
  if (body.user != null)
    throw invalidField('/user', 'no user has this id: users come with a later version', 'invalid_reference');
  if (await isKeyTaken(tx.scoped, body.publicKey))
    throw new ApiError('public_key_taken', undefined, [
      { pointer: '/publicKey', message: 'is the key of another device or of a gateway' },
    ]);
  const id = randomUUIDv7();
  const row = {
    id,
    created_at: tx.now,
    updated_at: tx.now,
    version: 1,
    name: body.name,
    active: 1,
    user_id: null,
    hardware_id: body.hardwareId ?? hardwareIdOf(body.publicKey),
    public_key: body.publicKey,
    app_version: null,
    posture: null,
    last_connection: null,
    ...(await takeOverlay(tx, 'device', id)),
  };
  await insertDevice(tx, row);
  tx.changed({ kind: 'device', id, op: 'create', name: row.name, before: null, after: audited(row) });
  return id;
}

export async function setActive(tx: Tx, context: RequestContext, id: string, active: boolean): Promise<void> {
  await existing(tx, context, id);
  const write = () => updateDevice(tx, id, { active: bit(active) });
  await tracked(tx, tracking, [id], write, active ? undefined : 'disconnect');
}

/** Its overlay addresses rest before anybody else gets them. */
export async function removeDevice(tx: Tx, context: RequestContext, id: string): Promise<void> {
  await remove(tx, await existing(tx, context, id));
}

/** Removes every device of a user who goes. */
export async function removeDevicesOf(tx: Tx, user: string): Promise<void> {
  for (const row of await ownedDevices(tx.scoped, user)) await remove(tx, row);
}

async function remove(tx: Tx, row: DeviceRow): Promise<void> {
  const { id, name } = row;
  tx.changed({ kind: 'device', id, op: 'delete', name, before: audited(row), after: null });
  await cutFromPolicies(tx, 'device', id);
  await deleteDevice(tx, id);
  await freeOverlay(tx, row);
}

async function existing(tx: Tx, context: RequestContext, id: string): Promise<DeviceRow> {
  const row = await findDevice(tx.scoped, id);
  if (row === undefined) throw notFound();
  requireVersion(context, row.version);
  return row;
}

const hardwareIdOf = (publicKey: string): string =>
  `wg-${createHash('sha256').update(publicKey).digest('hex').slice(0, 16)}`;

const tracking: Tracking = {
  kind: 'device',
  load: async (tx, ids) => new Map((await findDevices(tx.scoped, ids)).map((row) => [row.id, audited(row)])),
  bump: bumpDevices,
};

/** A device as the audit trail keeps it. */
function audited({ id, name, active, hardware_id, public_key, overlay_v4, overlay_v6 }: Omit<DeviceRow, 'tenant_id'>) {
  return { id, name, active, hardware_id, public_key, overlay_v4, overlay_v6 };
}
