import { z } from 'zod';
import { list, recordOf } from '../bounds.ts';
import { Nat } from './nat.ts';

/** Status of a device, as its daemon reports it. */

/** A short text: a name, id, address or version. */
export const word = z.string().max(300);

/** A sentence, or the output of another program. */
export const line = z.string().max(65_536);

/** Maximum number of routes and resources of a device. */
export const many = 100_000;

const timestamp = z.iso.datetime().max(40);
const milliseconds = z.number().nonnegative();

/** State of the path to a gateway. `relayed`: another gateway forwards the encrypted packets. */
const gatewayPath = z.enum(['searching', 'direct', 'relayed', 'lost']);

const named = z.strictObject({ id: word, name: word });

/** A gateway that the device has a tunnel to. */
export const GatewayStatus = z.strictObject({
  id: word,
  name: word,
  addresses: list(line, many).describe('Addresses in the overlay'),
  standing: z.enum(['ACTIVE', 'MAINTENANCE', 'ERROR']),
  path: gatewayPath,
  relay: named.nullable().describe('Relaying gateway; null unless relayed'),
  endpoint: word.nullable(),
  rttMs: milliseconds.nullable(),
  mtu: z
    .int()
    .nullable()
    .optional()
    .describe('Largest packet that passes the tunnel both ways, in bytes; null: not known'),
  lastHandshake: timestamp.nullable(),
  rxBytes: z.int().nonnegative(),
  txBytes: z.int().nonnegative(),
});
export type GatewayStatus = z.infer<typeof GatewayStatus>;

/** A prefix, and the gateway that carries it. */
export const RouteStatus = z.strictObject({
  prefix: word,
  mode: z.enum(['MANUAL', 'AUTOMATIC']),
  gateways: list(
    z.strictObject({ id: word, against: line.nullable().describe('Reason against this gateway; null: none') }),
    many,
  ).describe('Gateways that may carry the prefix, in order'),
  carrier: word.nullable().describe('Id of the current gateway; null: none is available'),
  why: line.describe('Reason for this choice'),
});
export type RouteStatus = z.infer<typeof RouteStatus>;

/** Status of one resource on a device. */
export const ResourceStatus = z.strictObject({
  id: word,
  name: word,
  denied: line.nullable().describe('Reason why access is denied; null: access is allowed'),
  routes: list(line, many).describe('Prefixes of `routes` that lead to the resource'),
});
export type ResourceStatus = z.infer<typeof ResourceStatus>;

/** A prefix of the tunnel that overlaps a route of the device's own network. */
export const RouteContest = z.strictObject({
  prefix: word.describe('Prefix of the tunnel'),
  route: word.describe('Route of the device’s own network'),
  device: word.describe('Interface of that route'),
  kind: z.enum(['connected', 'learned', 'own']).describe('Network at the interface, other route, or own address'),
  winner: z.enum(['tunnel', 'host']).describe('Route that packets follow'),
  resolvers: z.boolean().describe('Whether packets to port 53 of the network bypass the tunnel'),
});
export type RouteContest = z.infer<typeof RouteContest>;

/** Host names that the device may reach, and how they resolve on its host. */
export const NamesStatus = z.strictObject({
  by: z
    .enum(['resolved', 'networkmanager', 'resolv.conf'])
    .nullable()
    .describe('How the host is configured; null: it is not'),
  problem: line.nullable().describe('Why names may not resolve; null: they do'),
  all: z.boolean().optional().describe('Whether all other names go through the full tunnel too'),
  names: list(
    z.strictObject({
      name: word,
      addresses: list(line, 2).describe('Virtual addresses'),
      resources: list(word, many).describe('Ids of the resources with this name'),
    }),
    many,
  ),
});
export type NamesStatus = z.infer<typeof NamesStatus>;

/** Status of the client daemon and its tunnel. */
export const ClientStatus = z.strictObject({
  version: word.describe('Version of the client'),
  pid: z.int().nullable().describe('Process id; null: no daemon runs, and its last state stays until the lease ends'),
  device: word.describe('Id of the device'),
  enrolled: z.boolean(),
  interface: word,
  wireguard: z.enum(['kernel', 'userspace', 'memory']).nullable(),
  addresses: list(line, many),
  controller: z.strictObject({ url: word, connected: z.boolean(), phase: word }),
  nat: Nat.optional().describe('Left out by older clients'),
  revision: z.int().nonnegative().nullable().describe('Revision of the state in force; null: none'),
  current: z.boolean().describe('Whether the state in force is the newest from the controller'),
  leaseUntil: timestamp.nullable(),
  error: z.strictObject({ code: word, message: line }).nullable(),
  notes: list(line, many).describe('Problems on this host, one sentence each'),
  contests: list(RouteContest, many)
    .describe('Overlaps of the tunnel’s prefixes with the device’s own network')
    .optional(),
  gateways: list(GatewayStatus, many),
  routes: list(RouteStatus, many),
  resources: list(ResourceStatus, many),
  names: NamesStatus.optional().describe('Left out by older clients, and without names'),
  posture: recordOf(word, z.union([line, z.number(), z.boolean(), z.null()]), 100),
});
export type ClientStatus = z.infer<typeof ClientStatus>;
