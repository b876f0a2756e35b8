import { parseAddress } from '@sallyport/ip';
import { z } from 'zod';
import { bounded, list } from '../bounds.ts';
import { mostDnsDomains, mostDnsServers } from '../dns-servers.ts';
import { secret } from '../secrets.ts';
import {
  count,
  description,
  domain,
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
import { labels, network, shownLabels } from './labels.ts';
import { GatewayUpgrade, upgradeAllowance } from './upgrades.ts';

/** Current status of a gateway, as known to the controller. */
export const gatewayStatus = z.enum(['PENDING', 'ONLINE', 'OFFLINE', 'MAINTENANCE', 'ERROR']);

/** Current status of a gateway, as known to the controller. */
export type GatewayStatus = z.infer<typeof gatewayStatus>;

/** Operating mode of a gateway that an administrator sets. */
export const gatewayIntent = z.enum(['ACTIVE', 'MAINTENANCE', 'OFFLINE']);

/** Operating mode of a gateway that an administrator sets. */
export type GatewayIntent = z.infer<typeof gatewayIntent>;

/** First and last UDP port of the relay, such as `52000-52999`. */
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
  .describe('UDP ports of the relay, by default 52000-52999; the first port answers round-trip probes');

/** Address ranges at which no resolver can be. */
const noResolver = /^(0\.|22[4-9]\.|2[3-5][0-9]\.|::$|ff)/;

const dnsServer = z.strictObject({
  address: z
    .string()
    .max(64)
    .refine(
      (value) => parseAddress(value) !== null && !noResolver.test(value.toLowerCase()),
      'must be the IP address of a resolver',
    )
    .meta({ anyOf: [{ format: 'ipv4' }, { format: 'ipv6' }] }),
  port: z.int().min(1).max(65535).optional().describe('53 by default'),
  domains: list(domain, mostDnsDomains)
    .optional()
    .describe('Names in these domains are asked for here; left out or empty: names that no other resolver has'),
});

const dnsServers = list(dnsServer, mostDnsServers)
  .nullish()
  .describe('Resolvers of names; null or empty: those of its host. The longest domain that fits decides');

/** Request body that creates a gateway. */
export const CreateGateway = z
  .strictObject({
    name,
    description: description.nullish(),
    wireguardPort: portText,
    endpoint: endpoint.nullish(),
    masquerade: z
      .boolean()
      .optional()
      .describe('Replace source addresses of devices with the address of the gateway; true by default'),
    relayPorts,
    mtu: mtu.nullish().describe(`${ofMtu}; null or left out: the setting of the tenant applies`),
    dnsServers,
    network,
    labels,
  })
  .meta({ id: 'CreateGateway' });

/** Request body that changes a gateway. Absent fields stay. */
export const UpdateGateway = z
  .strictObject({
    status: gatewayStatus
      .optional()
      .describe('MAINTENANCE and OFFLINE set that intent, ONLINE sets ACTIVE; PENDING and ERROR change nothing'),
    intent: gatewayIntent.optional().describe('Operating mode; takes precedence over status'),
    name,
    description: description.nullish(),
    wireguardPort: portText,
    endpoint: endpoint.nullish(),
    masquerade: z.boolean().optional(),
    relayPorts,
    mtu: mtu.nullish().describe(`${ofMtu}; null: the setting of the tenant applies`),
    dnsServers,
    network,
    labels,
  })
  .meta({ id: 'UpdateGateway' });

/** A resource of a gateway as answers carry it. */
export const GatewayResource = z.object({ id, name: z.string() }).meta({ id: 'GatewayResource' });

/** Statistics that the agent of a gateway reports. */
export const GatewayStatistics = z
  .object({
    connectedDevices: z.int().describe('Number of devices with a handshake in the last three minutes'),
    bytesIn: z.int().describe('Bytes from devices since the gateway started'),
    bytesOut: z.int().describe('Bytes to devices since the gateway started'),
    lastHandshake: timestamp.optional(),
    appliedRevision: z.int().optional().describe('Revision that the gateway reported as applied'),
    lag: z.int().optional().describe('Number of revisions that affect this gateway and are not applied yet'),
    relayed: z.int().optional().describe('Number of tunnels that the gateway relays for its peers'),
    drainUntil: timestamp.optional().describe('In MAINTENANCE: time at which remaining flows are cut'),
    clockSkewSeconds: z
      .int()
      .optional()
      .describe(
        "Difference of the clock of the gateway's host from the controller's; positive: ahead; left out below 2 seconds",
      ),
    agentVersion: z.string().optional().describe('Version of the agent, once one has connected'),
    outdated: z.boolean().optional().describe('Whether that version is older than the controller: upgrade the gateway'),
    safeToStop: z.boolean().optional().describe('In MAINTENANCE: whether all flows through the gateway have ended'),
  })
  .meta({ id: 'GatewayStatistics' });
export type GatewayStatistics = z.infer<typeof GatewayStatistics>;

/** A gateway as answers carry it. */
export const Gateway = z
  .object({
    id,
    createdAt: timestamp,
    deployedOn: timestamp.nullable().describe('Time of the first successful deployment'),
    updatedAt: timestamp,
    name: z.string(),
    description: z.string().optional(),
    wireguardPort: z.string(),
    status: gatewayStatus,
    error: z.string().optional(),
    token: secret(z.string().describe('Enrolment token; masked for keys that may not deploy')),
    lastOnline: timestamp.optional(),
    relayEnabled: z.boolean().optional(),
    endpoint: z.string().optional().describe('Endpoint that the administrator set'),
    autoDiscoverEndpoint: z
      .boolean()
      .describe('Whether the controller discovers the endpoint; true when no endpoint is set'),
    resources: z.array(GatewayResource).optional(),
    intent: gatewayIntent.optional(),
    discoveredEndpoint: z
      .string()
      .optional()
      .describe('Endpoint as seen by the beacon, or by the agent channel if the beacon sees none'),
    natMapping: z
      .enum(['ENDPOINT_INDEPENDENT', 'ENDPOINT_DEPENDENT'])
      .optional()
      .describe(
        'NAT as seen by the beacon; ENDPOINT_DEPENDENT: no endpoint is discovered and peers connect through relays',
      ),
    relayPorts: z.string().optional(),
    masquerade: z.boolean().optional(),
    mtu: z.int().optional().describe('Left out: the setting of the tenant applies'),
    dnsServers: z
      .array(z.object({ address: z.string(), port: z.int().optional(), domains: z.array(z.string()).optional() }))
      .optional()
      .describe('Left out: the resolvers of its host'),
    network: z.string().optional().describe('Left out: the network of all gateways without this label'),
    publicKey: z.string().optional().describe('WireGuard public key; left out before enrolment'),
    labels: shownLabels,
    upgrades: upgradeAllowance
      .optional()
      .describe('Whether the host lets the controller ask for upgrades, once an agent has connected'),
    outdated: z.boolean().optional().describe('Whether the agent is older than the controller, once one has connected'),
    upgrade: GatewayUpgrade.optional(),
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
  labels: true,
  upgrades: true,
  outdated: true,
  upgrade: true,
})
  .extend({ resourceCount: z.int() })
  .meta({ id: 'GatewaySummary' });
export type GatewaySummary = z.infer<typeof GatewaySummary>;

/** Fields that lists of gateways can be filtered by. */
export const gatewayFilters = {
  id: 'id',
  name: 'text',
  status: gatewayStatus.options,
  label: 'label',
} as const satisfies Filters;

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

/** Fields of a gateway that a request may repeat and that are ignored. */
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
  'upgrades',
  'outdated',
  'upgrade',
  'statistics',
] as const;

/** Result of the reachability test of a gateway. */
export const TestConfiguration = z
  .object({
    status: z.enum(['ONLINE', 'MAINTENANCE', 'NOT_REACHABLE', 'ERROR', 'UNRECOGNIZED']),
    details: z.string().optional().describe('Checks, their results, and the parts that were not checked'),
    error: z.string().optional(),
    _error: z.string().optional(),
  })
  .meta({ id: 'TestConfiguration' });
export type TestConfiguration = z.infer<typeof TestConfiguration>;

/** The enrolment token of one gateway. */
export const GatewayToken = z.object({ token: secret(z.string()) }).meta({ id: 'GatewayToken' });
