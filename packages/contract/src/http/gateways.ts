import { z } from 'zod';
import { bounded } from '../bounds.ts';
import { secret } from '../secrets.ts';
import {
  count,
  description,
  endpoint,
  type Filters,
  id,
  mtu,
  name,
  ofMtu,
  pageQuery,
  portText,
  timestamp,
  wholeNumber,
} from './common.ts';

/** What a gateway does at present, as far as the controller knows. */
export const gatewayStatus = z.enum(['PENDING', 'ONLINE', 'OFFLINE', 'MAINTENANCE', 'ERROR']);

/** What a gateway does at present, as far as the controller knows. */
export type GatewayStatus = z.infer<typeof gatewayStatus>;

/** What an administrator wants a gateway to do. */
export const gatewayIntent = z.enum(['ACTIVE', 'MAINTENANCE', 'OFFLINE']);

/** What an administrator wants a gateway to do. */
export type GatewayIntent = z.infer<typeof gatewayIntent>;

/** First and last UDP port of the relay, `52000-52999`. */
const portRange = /^[1-9][0-9]{0,4}-[1-9][0-9]{0,4}$/;
const relayPorts = z
  .string()
  .regex(portRange, 'must be a range of UDP ports such as 52000-52999')
  .refine((value) => {
    const [from = 0, to = 0] = value.split('-').map(Number);
    return !portRange.test(value) || (from < to && to <= 65535);
  }, 'must go from a lower to a higher UDP port, 65535 at most')
  .meta({ format: 'port-range' })
  .optional()
  .describe('UDP ports that the relay may use, 52000-52999 unless given; the first answers round-trip probes');

/** Request body that creates a gateway. */
export const CreateGateway = z
  .strictObject({
    name,
    description: description.nullish(),
    wireguardPort: portText,
    endpoint: endpoint.nullish(),
    masquerade: z.boolean().optional().describe('Hide devices behind the gateway towards resources; true unless given'),
    relayPorts,
    mtu: mtu.nullish().describe(`${ofMtu}; null or left out: as the tenant's settings say`),
  })
  .meta({ id: 'CreateGateway' });

/** Request body that changes a gateway. Absent fields stay. */
export const UpdateGateway = z
  .strictObject({
    status: gatewayStatus
      .optional()
      .describe('MAINTENANCE and OFFLINE set that intent, ONLINE sets ACTIVE; PENDING and ERROR change nothing'),
    intent: gatewayIntent.optional().describe('What the administrator wants; wins over status'),
    name,
    description: description.nullish(),
    wireguardPort: portText,
    endpoint: endpoint.nullish(),
    masquerade: z.boolean().optional(),
    relayPorts,
    mtu: mtu.nullish().describe(`${ofMtu}; null: as the tenant's settings say`),
  })
  .meta({ id: 'UpdateGateway' });

/** A resource of a gateway as answers carry it. */
export const GatewayResource = z.object({ id, name: z.string() }).meta({ id: 'GatewayResource' });

/** Numbers that the agent of a gateway reports. */
export const GatewayStatistics = z
  .object({
    connectedDevices: z.int().describe('Devices with a handshake in the last three minutes'),
    bytesIn: z.int().describe('From devices, bytes since the gateway came up'),
    bytesOut: z.int().describe('To devices, bytes since the gateway came up'),
    lastHandshake: timestamp.optional(),
    appliedRevision: z.int().optional().describe('Revision that the gateway reported as applied'),
    lag: z.int().optional().describe('Revisions of the tenant that touch this gateway and are not applied yet'),
    relayed: z.int().optional().describe('Tunnels of others that the gateway relays'),
    drainUntil: timestamp.optional().describe('In MAINTENANCE: when flows that remain are cut'),
    clockSkewSeconds: z
      .int()
      .optional()
      .describe("How far the clock of the gateway's host is ahead of the controller's; left out below 2 seconds"),
    safeToStop: z.boolean().optional().describe('In MAINTENANCE: no flow runs through the gateway any more'),
  })
  .meta({ id: 'GatewayStatistics' });

/** A gateway as answers carry it. */
export const Gateway = z
  .object({
    id,
    createdAt: timestamp,
    deployedOn: timestamp.nullable().describe('First successful deployment'),
    updatedAt: timestamp,
    name: z.string(),
    description: z.string().optional(),
    wireguardPort: z.string(),
    status: gatewayStatus,
    error: z.string().optional(),
    token: secret(z.string().describe('Enrolment token; masked for keys that may not deploy')),
    lastOnline: timestamp.optional(),
    relayEnabled: z.boolean().optional(),
    endpoint: z.string().optional().describe('As given by the administrator'),
    autoDiscoverEndpoint: z.boolean().describe('True while no endpoint was given'),
    resources: z.array(GatewayResource).optional(),
    intent: gatewayIntent.optional(),
    discoveredEndpoint: z.string().optional().describe('Where the beacon, or else the channel, sees the gateway'),
    natMapping: z
      .enum(['ENDPOINT_INDEPENDENT', 'ENDPOINT_DEPENDENT'])
      .optional()
      .describe('As the beacon sees it; ENDPOINT_DEPENDENT: no discovered endpoint, others reach it through relays'),
    relayPorts: z.string().optional(),
    masquerade: z.boolean().optional(),
    mtu: z.int().optional().describe('Left out: as the settings of the tenant say'),
    publicKey: z.string().optional().describe('WireGuard public key, once enrolled'),
    statistics: GatewayStatistics.optional(),
  })
  .meta({ id: 'Gateway' });
export type Gateway = z.infer<typeof Gateway>;

/** A gateway as a table shows it. */
export const GatewaySummary = Gateway.pick({
  id: true,
  createdAt: true,
  updatedAt: true,
  name: true,
  description: true,
  wireguardPort: true,
  status: true,
  error: true,
  lastOnline: true,
  relayEnabled: true,
  endpoint: true,
  intent: true,
  discoveredEndpoint: true,
})
  .extend({ resourceCount: z.int() })
  .meta({ id: 'GatewaySummary' });
export type GatewaySummary = z.infer<typeof GatewaySummary>;

/** Fields that lists of gateways can be filtered by. */
export const gatewayFilters = { id: 'id', name: 'text', status: gatewayStatus.options } as const satisfies Filters;

/** Fields that lists of gateways can be sorted by. */
export const gatewaySortFields = ['id', 'name', 'createdAt', 'updatedAt', 'status', 'lastOnline'] as const;

const { limit: _limit, offset, ...parts } = pageQuery(gatewaySortFields);

/** Query of the list of gateways, which has no pages unless asked. `filter[...]` parameters are read apart. */
export const gatewayQuery = bounded(
  z.looseObject({
    ...parts,
    limit: count(wholeNumber(1)).optional().describe('Most gateways in the answer; all unless given'),
    offset,
  }),
  100,
  'has too many parameters',
);

/** Fields of a gateway that a write ignores, so that what was read can be written back whole. */
export const gatewayReadOnly = [
  'id',
  'createdAt',
  'deployedOn',
  'updatedAt',
  'error',
  'token',
  'lastOnline',
  'relayEnabled',
  'autoDiscoverEndpoint',
  'resources',
  'discoveredEndpoint',
  'publicKey',
  'natMapping',
  'statistics',
] as const;

/** Result of testing whether a gateway can be reached. */
export const TestConfiguration = z
  .object({
    status: z.enum(['ONLINE', 'MAINTENANCE', 'NOT_REACHABLE', 'ERROR', 'UNRECOGNIZED']),
    details: z.string().optional().describe('What was checked, what was found, and what was not probed'),
    error: z.string().optional(),
    _error: z.string().optional(),
  })
  .meta({ id: 'TestConfiguration' });
export type TestConfiguration = z.infer<typeof TestConfiguration>;

/** The enrolment token of one gateway. */
export const GatewayToken = z.object({ token: secret(z.string()) }).meta({ id: 'GatewayToken' });
