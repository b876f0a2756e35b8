import { createHash, randomUUIDv7 } from 'node:crypto';
import type { Input } from '@sallyport/contract';
import { bit, decodeJson, encodeJson } from '../../db/json.ts';
import type { Tx } from '../../db/store.ts';
import { type Tracking, tracked } from '../../db/tracked.ts';
import { ApiError, invalidField, notFound } from '../../errors.ts';
import { type RequestContext, requireVersion } from '../../http/handlers.ts';
import { freeOverlay, takeOverlay } from '../../overlay/allocator.ts';
import { cutFromPolicies } from '../policies/cut.ts';
import { acceptInvitation, deviceLimit } from '../users/queries.ts';
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
  const owner = body.user?.toLowerCase() ?? null;
  if (await isKeyTaken(tx.scoped, body.publicKey))
    throw new ApiError('public_key_taken', undefined, [
      { pointer: '/publicKey', message: 'is the key of another device or of a gateway' },
    ]);
  if (owner !== null) await admitOwner(tx, owner);
  const id = randomUUIDv7();
  const row = {
    id,
    created_at: tx.now,
    updated_at: tx.now,
    version: 1,
    name: body.name,
    active: 1,
    user_id: owner,
    hardware_id: body.hardwareId ?? hardwareIdOf(body.publicKey),
    public_key: body.publicKey,
    app_version: null,
    posture: null,
    last_connection: null,
    source_ip: null,
    ...(await takeOverlay(tx, 'device', id)),
  };
  await insertDevice(tx, row);
  tx.changed({ kind: 'device', id, op: 'create', name: row.name, before: null, after: audited(row) });
  return id;
}

/** An absent optional field keeps its value; null clears it, so that nobody owns the device or nothing is known of it. */
export async function changeDevice(
  tx: Tx,
  context: RequestContext,
  id: string,
  body: Input<'updateDevice'>['body'],
): Promise<void> {
  const row = await existing(tx, context, id);
  const owner = body.user === undefined ? row.user_id : (body.user?.toLowerCase() ?? null);
  if (owner !== null && owner !== row.user_id) await admitOwner(tx, owner);
  await tracked(tx, tracking, [id], () =>
    updateDevice(tx, id, {
      name: body.name,
      user_id: owner,
      posture: body.posture === undefined ? row.posture : postureText(body.posture),
      app_version: body.appVersion === undefined ? row.app_version : body.appVersion || null,
    }),
  );
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

/** A user gets one device more: as many as allowed, and the first one takes an invitation up. */
async function admitOwner(tx: Tx, user: string): Promise<void> {
  const devices = await deviceLimit(tx.scoped, user);
  if (devices === undefined) throw invalidField('/user', 'is not the id of a user', 'invalid_reference');
  const { limit, present } = devices;
  if (present >= limit)
    throw new ApiError('device_limit', `The user has ${present} of at most ${limit} devices`, [
      { pointer: '/user', message: `has ${present} of at most ${limit} devices` },
    ]);
  await acceptInvitation(tx, user);
}

const postureText = (posture: object | null): string | null =>
  posture === null || Object.keys(posture).length === 0 ? null : encodeJson(posture);

const hardwareIdOf = (publicKey: string): string =>
  `wg-${createHash('sha256').update(publicKey).digest('hex').slice(0, 16)}`;

const tracking: Tracking = {
  kind: 'device',
  load: async (tx, ids) => new Map((await findDevices(tx.scoped, ids)).map((row) => [row.id, audited(row)])),
  bump: bumpDevices,
};

/** A device as the audit trail keeps it. */
const audited = (row: Omit<DeviceRow, 'tenant_id'>) => ({
  id: row.id,
  name: row.name,
  active: row.active,
  user: row.user_id,
  hardware_id: row.hardware_id,
  public_key: row.public_key,
  app_version: row.app_version,
  posture: row.posture === null ? null : decodeJson<Record<string, unknown>>(row.posture),
  overlay_v4: row.overlay_v4,
  overlay_v6: row.overlay_v6,
});
