import { z } from 'zod';
import { list } from '../bounds.ts';
import { ChangedObject } from './audit.ts';
import { count, id, timestamp, wholeNumber } from './common.ts';
import { DevicePath, deviceStatus } from './devices.ts';
import { GatewayStatistics, gatewayStatus } from './gateways.ts';
import { GatewayUpgrade } from './upgrades.ts';

/** Maximum number of objects of each kind whose presence a live stream follows. */
export const livePresence = 500;
/** Maximum number of objects of each kind whose statistics or paths a live stream follows. */
export const liveDetails = 50;

/** What a live stream follows beside the changes of the tenant. */
export const LiveTopics = z
  .strictObject({
    gateways: list(id, livePresence).optional().describe('Gateways whose status is followed'),
    devices: list(id, livePresence).optional().describe('Devices whose status is followed'),
    statistics: list(id, liveDetails).optional().describe('Gateways whose statistics are followed'),
    paths: list(id, liveDetails).optional().describe('Native devices whose paths are followed'),
    overview: z.boolean().optional().describe('Whether the figures of the tenant are followed'),
  })
  .meta({ id: 'LiveTopics' });
export type LiveTopics = z.infer<typeof LiveTopics>;

/** Status of a gateway in a message of the live stream. */
export const GatewayPresence = z
  .object({
    id,
    status: gatewayStatus,
    error: z.string().optional(),
    lastOnline: timestamp.optional(),
    upgrade: GatewayUpgrade.optional(),
  })
  .meta({ id: 'GatewayPresence' });
export type GatewayPresence = z.infer<typeof GatewayPresence>;

/** Status of a device in a message of the live stream. */
export const DevicePresence = z
  .object({
    id,
    status: deviceStatus,
    connected: z.boolean().optional().describe('NATIVE: whether the client is connected to the controller'),
    lastConnection: timestamp.optional(),
  })
  .meta({ id: 'DevicePresence' });
export type DevicePresence = z.infer<typeof DevicePresence>;

/** Figures of a tenant in a message of the live stream. */
export const LiveOverview = z
  .object({
    gateways: z
      .partialRecord(gatewayStatus, z.int())
      .describe('Number of gateways by status; a status without gateways is left out'),
    devices: z.object({ total: z.int(), online: z.int() }),
  })
  .meta({ id: 'LiveOverview' });
export type LiveOverview = z.infer<typeof LiveOverview>;

/** One message of the live stream. Its id is the revision, for Last-Event-ID. What is left out has not changed. */
export const LiveMessage = z
  .object({
    stream: id.optional().describe('Only in the first message: id of the stream, for setLiveTopics'),
    revision: z.int().describe('Revision of the tenant up to which changes were sent'),
    reload: z.literal(true).optional().describe('Changes were left out: read all objects again'),
    changes: z.array(ChangedObject).optional().describe('Each changed object once, with its latest operation'),
    gateways: z.array(GatewayPresence).optional(),
    devices: z.array(DevicePresence).optional(),
    statistics: z.array(z.object({ id, ...GatewayStatistics.shape })).optional(),
    paths: z.array(z.object({ id, paths: z.array(DevicePath) })).optional(),
    overview: LiveOverview.optional(),
    unknown: z.array(id).optional().describe('Followed objects that do not exist, or no longer'),
  })
  .meta({ id: 'LiveMessage' });
export type LiveMessage = z.infer<typeof LiveMessage>;

/** Query of the live stream. */
export const liveQuery = z.strictObject({
  since: count(wholeNumber(0).optional()).describe(
    'Revision after which the changes begin; Last-Event-ID takes precedence',
  ),
});
