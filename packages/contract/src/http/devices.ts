import { z } from 'zod';
import { bounded } from '../bounds.ts';
import { isWireguardKey, wireguardKeyForm } from '../wireguard-key.ts';
import { type Filters, id, name, pageQuery, paginated, ref, text, timestamp } from './common.ts';
import { labels, shownLabels } from './labels.ts';

/** State of a device: connected, not connected, or deactivated. */
export const deviceStatus = z.enum(['Online', 'Offline', 'Deactivated']);

/** WireGuard public key: 32 bytes as base64. */
export const wireguardPublicKey = z
  .string()
  .regex(wireguardKeyForm, 'must be a WireGuard public key (32 bytes in base64)')
  .refine(
    (key) => !wireguardKeyForm.test(key) || isWireguardKey(key),
    'is a key that keeps no secret: make a new key pair',
  );

/** Owner of a device as answers carry it. */
export const DeviceUser = z
  .object({
    id,
    lastConnection: timestamp,
    email: z.string().optional(),
    firstName: z.string().optional(),
    lastName: z.string().optional(),
  })
  .meta({ id: 'DeviceUser' });

/** Gateway with relay enabled that carries the traffic of a plain device. null: the device has a tunnel to each gateway. */
const entryGateway = ref
  .nullish()
  .describe('Plain devices: relaying gateway that carries all traffic of the device and fails over for it');

/** Request body that creates a device. */
export const CreateDevice = z
  .strictObject({
    name,
    publicKey: wireguardPublicKey,
    hardwareId: text(200, 1).nullish().describe('Hardware id; derived from the key when left out'),
    user: ref.nullish().describe('Owner; a device without one matches `devices` and `allDevices` only'),
    entryGateway,
    labels,
  })
  .meta({ id: 'CreateDevice' });

/** Facts about a device that admission rules can read, such as `posture.diskEncrypted`. */
export const posture = bounded(
  z.record(
    z.string().regex(/^[A-Za-z_][A-Za-z0-9_]{0,63}$/),
    z.union([z.string().max(1000), z.number(), z.boolean(), z.null()]),
  ),
  100,
  'must have at most 100 facts',
);

/** Request body that changes a device. Absent fields stay. */
export const UpdateDevice = z
  .strictObject({
    name,
    user: ref.nullish().describe('Owner; null removes the owner'),
    posture: posture.nullish(),
    appVersion: text(64).nullish(),
    entryGateway,
    labels,
  })
  .meta({ id: 'UpdateDevice' });

/** Fields of a device that a request may repeat and that are ignored. */
export const deviceReadOnly = [
  'id',
  'createdAt',
  'updatedAt',
  'active',
  'lastConnection',
  'status',
  'hardwareId',
  'publicKey',
  'overlayAddresses',
  'sourceIp',
  'kind',
  'connected',
  'agent',
  'paths',
  'country',
] as const;

const deviceKind = z.enum(['NATIVE', 'PLAIN']).describe('NATIVE: runs the client; PLAIN: any WireGuard app');

/** Path from a native device to a gateway, as measured in its tunnel. */
export const DevicePath = z
  .object({
    gateway: z.object({ id, name: z.string() }),
    via: z.enum(['DIRECT', 'RELAYED', 'NONE']),
    relay: z.object({ id, name: z.string() }).optional().describe('Gateway that relays the packets'),
    rttMs: z.number().optional().describe('Round-trip time through the tunnel; left out while nothing answers'),
  })
  .meta({ id: 'DevicePath' });
export type DevicePath = z.infer<typeof DevicePath>;

/** A device as answers carry it. */
export const Device = z
  .object({
    id,
    createdAt: timestamp,
    updatedAt: timestamp,
    name: z.string(),
    active: z.boolean(),
    lastConnection: timestamp.optional(),
    status: deviceStatus,
    user: DeviceUser.optional(),
    hardwareId: z.string(),
    posture: z.record(z.string(), z.unknown()).optional(),
    appVersion: z.string().optional(),
    publicKey: z.string().optional(),
    overlayAddresses: z.array(z.string()).optional(),
    kind: deviceKind.optional(),
    connected: z.boolean().optional().describe('NATIVE: whether the client is connected to the controller'),
    agent: z
      .object({
        version: z.string(),
        hostname: z.string(),
        os: z.string(),
        kernel: z.string(),
        outdated: z.boolean().optional().describe('Whether the version is older than the controller'),
      })
      .optional()
      .describe('NATIVE: the client and its host, after the first connection'),
    paths: z.array(DevicePath).optional().describe('NATIVE: paths to gateways, only in answers about one device'),
    entryGateway: z.object({ id, name: z.string() }).optional(),
    sourceIp: z.string().optional().describe('Last source address of the tunnel'),
    country: z.string().optional().describe('Country of sourceIp, ISO 3166-1; left out without a country database'),
    labels: shownLabels,
  })
  .meta({ id: 'Device' });
export type Device = z.infer<typeof Device>;

/** A page of devices. */
export const DevicePage = paginated(Device).meta({ id: 'DevicePage' });

/** A device as a table shows it. */
export const DeviceSummary = Device.omit({
  hardwareId: true,
  posture: true,
  publicKey: true,
  agent: true,
  paths: true,
}).meta({ id: 'DeviceSummary' });
export type DeviceSummary = z.infer<typeof DeviceSummary>;

/** A page of devices as a table shows them. */
export const DeviceSummaryPage = paginated(DeviceSummary).meta({ id: 'DeviceSummaryPage' });

/** Fields that lists of devices can be sorted by. */
export const deviceSortFields = [
  'id',
  'name',
  'createdAt',
  'updatedAt',
  'status',
  'kind',
  'lastConnection',
  'user.email',
  'appVersion',
] as const;

/** Query of the list of devices. `filter[...]` parameters are read apart. */
export const deviceQuery = bounded(z.looseObject(pageQuery(deviceSortFields)), 100, 'has too many parameters');

/** Fields that lists of devices can be filtered by. A device without an owner has an empty `user.email`. */
export const deviceFilters = {
  id: 'id',
  name: 'text',
  status: deviceStatus.options,
  kind: deviceKind.options,
  'user.id': 'id',
  'user.email': 'text',
  'entryGateway.id': 'id',
  appVersion: 'text',
  label: 'label',
} as const satisfies Filters;

/** Query of the configuration of a device. */
export const deviceConfigurationQuery = z.strictObject({
  ipv6: z
    .enum(['true', 'false'])
    .optional()
    .describe('`false`: leave out IPv6 addresses; wg-quick fails on them where the host has IPv6 switched off'),
  dns: z
    .enum(['true', 'false'])
    .optional()
    .describe('`false`: leave out the resolver; wg-quick fails on it where the host has no `resolvconf`'),
});

/** WireGuard configuration of a device, without its private key. */
export const DeviceConfiguration = z
  .object({
    revision: z.string().describe('Revision of the text; it changes with the text'),
    text: z.string().describe('WireGuard configuration; PrivateKey has a placeholder'),
    notes: z
      .array(z.string())
      .optional()
      .describe('Notes for people about destinations outside the tunnel, with reasons; left out without notes'),
  })
  .meta({ id: 'DeviceConfiguration' });
export type DeviceConfiguration = z.infer<typeof DeviceConfiguration>;

/** Placeholder for the private key in the configuration of a device. The controller never has that key. */
export const privateKeyPlaceholder = 'REPLACE_WITH_PRIVATE_KEY';
