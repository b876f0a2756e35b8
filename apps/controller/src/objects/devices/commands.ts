import { createHash, randomUUIDv7 } from 'node:crypto';
import { type ErrorCode, type Input, name as nameSchema } from '@sallyport/contract';
import type { EnrolmentKeys, EnrolOutcome } from '../../channel/types.ts';
import { bit, decodeJson, labelsColumn } from '../../db/json.ts';
import type { Tx } from '../../db/store.ts';
import { ApiError, invalidField, notFound } from '../../errors.ts';
import { type RequestContext, requireVersion } from '../../http/handlers.ts';
import { takeOverlay } from '../../overlay/allocator.ts';
import { isRelay } from '../gateways/facts.ts';
import { acceptInvitation, deviceLimit } from '../users/queries.ts';
import { postureText } from './facts.ts';
import { dropDevice } from './removal.ts';
import { type DeviceRow, findDevice, insertDevice, isKeyTaken, updateDevice } from './store.ts';
import { auditedDevice, trackDevices } from './tracking.ts';

/**
 * Registers a plain device and returns its id. `reserved` holds the controller's own keys. Until the first handshake, it
 * is not proven that the device has the private key.
 */
export async function createDevice(
  tx: Tx,
  body: Input<'createDevice'>['body'],
  reserved: ReadonlySet<string>,
  ownerField: OwnerField = '/user',
): Promise<string> {
  const owner = body.user?.toLowerCase() ?? null;
  if (reserved.has(body.publicKey)) throw keyTaken('is a key of the controller');
  if (await isKeyTaken(tx.scoped, body.publicKey)) throw keyTaken('is the key of another device or of a gateway');
  const entry = body.entryGateway?.toLowerCase() ?? null;
  if (entry !== null) await requireRelay(tx, entry);
  if (owner !== null) await admitOwner(tx, owner, ownerField);
  const id = randomUUIDv7();
  const hardware_id = body.hardwareId ?? hardwareIdOf('wg', body.publicKey);
  const key = { public_key: body.publicKey, identity_key: null };
  await add(tx, {
    id,
    name: body.name,
    user_id: owner,
    hardware_id,
    entry_gateway_id: entry,
    ...key,
    labels: labelsColumn(body.labels),
  });
  return id;
}

const keyTaken = (message: string): ApiError => invalidField('/publicKey', message, 'public_key_taken');

/** Registers a native device under the id of its enrolment key. The caller has checked that no agent has its key. */
export async function enrolDevice(
  tx: Tx,
  wanted: { readonly id: string; readonly name: string | null; readonly user_id: string | null },
  keys: EnrolmentKeys,
): Promise<EnrolOutcome> {
  if (wanted.user_id !== null) {
    try {
      await admitOwner(tx, wanted.user_id);
    } catch (error) {
      const outcome = error instanceof ApiError ? refusedOwner[error.code] : undefined;
      if (outcome === undefined) throw error;
      return outcome;
    }
  }
  await add(tx, {
    id: wanted.id,
    name: wanted.name ?? nameOf(keys.hostname),
    user_id: wanted.user_id,
    hardware_id: hardwareIdOf('id', keys.identityKey),
    public_key: keys.wireguardPublicKey,
    identity_key: keys.identityKey,
    entry_gateway_id: null,
    labels: labelsColumn(null),
  });
  return 'enrolled';
}

/** Outcomes for owners that are refused. An expired invitation ends the keys that were made under it. */
const refusedOwner: Partial<Record<ErrorCode, EnrolOutcome>> = {
  device_limit: 'device-limit',
  not_invited: 'expired-token',
};

async function add(
  tx: Tx,
  given: Pick<
    DeviceRow,
    'id' | 'name' | 'user_id' | 'hardware_id' | 'public_key' | 'identity_key' | 'entry_gateway_id' | 'labels'
  >,
): Promise<void> {
  const row = {
    ...given,
    created_at: tx.now,
    updated_at: tx.now,
    version: 1,
    active: 1,
    app_version: null,
    posture: null,
    reported_posture: null,
    last_connection: null,
    source_ip: null,
    mapped_endpoint: null,
    ...(await takeOverlay(tx, 'device', given.id)),
  };
  await insertDevice(tx, row);
  tx.changed({ kind: 'device', id: row.id, op: 'create', name: row.name, before: null, after: auditedDevice(row) });
}

/** Changes a device. An absent optional field keeps its value; null clears it. `of`: only a device of this user. */
export async function changeDevice(
  tx: Tx,
  context: RequestContext,
  id: string,
  body: Input<'updateDevice'>['body'],
  of?: string,
): Promise<void> {
  const row = await existing(tx, context, id, of);
  const owner = body.user === undefined ? row.user_id : (body.user?.toLowerCase() ?? null);
  if (owner !== null && owner !== row.user_id) await admitOwner(tx, owner);
  const entry = body.entryGateway === undefined ? row.entry_gateway_id : (body.entryGateway?.toLowerCase() ?? null);
  if (entry !== null && entry !== row.entry_gateway_id) await requireEntry(tx, row, entry);
  const native = row.identity_key !== null;
  await trackDevices(tx, [id], () =>
    updateDevice(tx, id, {
      name: body.name,
      user_id: owner,
      posture: body.posture === undefined ? row.posture : ownPosture(row, body.posture ?? {}),
      app_version: native || body.appVersion === undefined ? row.app_version : body.appVersion || null,
      entry_gateway_id: entry,
      labels: labelsColumn(body.labels, row.labels),
    }),
  );
}

/** Activates or deactivates a device. A deactivated device loses its access at once. */
export async function setActive(tx: Tx, context: RequestContext, id: string, active: boolean): Promise<void> {
  await existing(tx, context, id);
  const write = () => updateDevice(tx, id, { active: bit(active) });
  await trackDevices(tx, [id], write, active ? undefined : 'disconnect');
}

/** Deletes a device. Its overlay addresses rest before another agent gets them. */
export async function removeDevice(tx: Tx, context: RequestContext, id: string): Promise<void> {
  await dropDevice(tx, await existing(tx, context, id));
}

/** Deletes a device of a user. A device that an administrator has deactivated stays: its key must not come back. */
export async function removeOwnDevice(tx: Tx, context: RequestContext, id: string, owner: string): Promise<void> {
  const row = await existing(tx, context, id, owner);
  if (row.active !== 1) throw new ApiError('device_deactivated');
  await dropDevice(tx, row);
}

async function existing(tx: Tx, context: RequestContext, id: string, owner?: string): Promise<DeviceRow> {
  const row = await findDevice(tx.scoped, id, owner);
  if (row === undefined) throw notFound();
  requireVersion(context, row.version);
  return row;
}

/** Field of the request that names the owner; null: the owner is the caller. */
type OwnerField = '/user' | null;

/** Checks that a user may own one more device, and accepts an open invitation of the user. */
async function admitOwner(tx: Tx, user: string, field: OwnerField = '/user'): Promise<void> {
  const devices = await deviceLimit(tx.scoped, user);
  if (devices === undefined) throw invalidField('/user', 'is not the id of a user', 'invalid_reference');
  const { limit, present } = devices;
  if (present >= limit)
    throw new ApiError(
      'device_limit',
      `The user has ${present} of at most ${limit} devices`,
      field === null ? [] : [{ pointer: field, message: `has ${present} of at most ${limit} devices` }],
    );
  await acceptInvitation(tx, user);
}

async function requireEntry(tx: Tx, row: DeviceRow, gateway: string): Promise<void> {
  if (row.identity_key !== null)
    throw invalidField(
      '/entryGateway',
      'is for plain devices only: this device runs the client, which chooses its gateway itself',
    );
  await requireRelay(tx, gateway);
}

async function requireRelay(tx: Tx, gateway: string): Promise<void> {
  const relays = await isRelay(tx.scoped, gateway);
  if (relays === undefined) throw invalidField('/entryGateway', 'is not the id of a gateway', 'invalid_reference');
  if (!relays)
    throw invalidField(
      '/entryGateway',
      'is a gateway that does not relay: enable its relay first',
      'invalid_reference',
    );
}

/**
 * Returns the part of a complete posture that administrators set. Facts that equal the client's report stay the client's,
 * so that a device can be written back as it was read.
 */
function ownPosture(row: DeviceRow, given: object): string | null {
  const told = row.reported_posture === null ? {} : decodeJson<Record<string, unknown>>(row.reported_posture);
  const own = row.posture === null ? {} : decodeJson<Record<string, unknown>>(row.posture);
  return postureText(
    Object.fromEntries(Object.entries(given).filter(([fact, value]) => fact in own || told[fact] !== value)),
  );
}

const hardwareIdOf = (kind: 'wg' | 'id', key: string): string =>
  `${kind}-${createHash('sha256').update(key).digest('hex').slice(0, 16)}`;

/** Returns a name that the API accepts, made from the host name that the client reports. */
function nameOf(hostname: string): string {
  const name = hostname.slice(0, 120).trim();
  return nameSchema.safeParse(name).success ? name : 'device';
}
