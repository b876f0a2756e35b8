import { z } from 'zod';
import { list, recordOf } from '../bounds.ts';
import { Nat } from './nat.ts';

/** How a device stands, as its own daemon sees it. */

/** A name, an id, an address, a version. */
export const word = z.string().max(300);

/** A sentence, or what another program said. */
export const line = z.string().max(65_536);

/** Bound of lists: routes and resources that a device can have. */
export const many = 100_000;

const timestamp = z.iso.datetime().max(40);
const milliseconds = z.number().nonnegative();

/** One entry of the way to a gateway: `relayed` names the gateway that forwards, which cannot read what it forwards. */
const gatewayPath = z.enum(['searching', 'direct', 'relayed', 'lost']);

const named = z.strictObject({ id: word, name: word });

/** A gateway that the device has a tunnel to. */
export const GatewayStatus = z.strictObject({
  id: word,
  name: word,
  addresses: list(line, many).describe('In the overlay'),
  standing: z.enum(['ACTIVE', 'MAINTENANCE', 'ERROR']),
  path: gatewayPath,
  relay: named.nullable().describe('The gateway that relays; null unless relayed'),
  endpoint: word.nullable(),
  rttMs: milliseconds.nullable(),
  mtu: z
    .int()
    .nullable()
    .optional()
    .describe('Largest packet in the tunnel that gets there and back, in bytes; null: not known'),
  lastHandshake: timestamp.nullable(),
  rxBytes: z.int().nonnegative(),
  txBytes: z.int().nonnegative(),
});
export type GatewayStatus = z.infer<typeof GatewayStatus>;

/** A prefix, and the gateway that carries it. */
export const RouteStatus = z.strictObject({
  prefix: word,
  mode: z.enum(['MANUAL', 'AUTOMATIC']),
  gateways: list(z.strictObject({ id: word, against: line.nullable().describe('Null: nothing') }), many).describe(
    'Those that may carry it, in order, and what speaks against each',
  ),
  carrier: word.nullable().describe('Id of the gateway; null: none can at present'),
  why: line.describe('Why it is this one, or none'),
});
export type RouteStatus = z.infer<typeof RouteStatus>;

/** What a device knows about one resource. */
export const ResourceStatus = z.strictObject({
  id: word,
  name: word,
  denied: line.nullable().describe('What is in the way; null: it may be reached'),
  routes: list(line, many).describe('Prefixes of `routes` that lead to it'),
});
export type ResourceStatus = z.infer<typeof ResourceStatus>;

/** A prefix of the tunnel that the device's own network has too, or a part of it. */
export const RouteContest = z.strictObject({
  prefix: word.describe('Of the tunnel'),
  route: word.describe('Of the device’s own network'),
  device: word.describe('Interface of that route'),
  kind: z.enum(['connected', 'learned', 'own']).describe('A network at the interface, another route, an own address'),
  winner: z.enum(['tunnel', 'host']).describe('Which of the two packets follow'),
  resolvers: z.boolean().describe('Port 53 of the network is reached past the tunnel'),
});
export type RouteContest = z.infer<typeof RouteContest>;

/** What the client daemon knows about itself and its tunnel. */
export const ClientStatus = z.strictObject({
  version: word.describe('Of the client'),
  pid: z.int().nullable().describe('Null: no daemon runs; what it applied last goes on until the lease ends'),
  device: word.describe('Id of the device'),
  enrolled: z.boolean(),
  interface: word,
  wireguard: z.enum(['kernel', 'userspace', 'memory']).nullable(),
  addresses: list(line, many),
  controller: z.strictObject({ url: word, connected: z.boolean(), phase: word }),
  nat: Nat.optional().describe('Left out by older clients'),
  revision: z.int().nonnegative().nullable().describe('Of the state in force; null: none is'),
  current: z.boolean().describe('What is in force is the newest that the controller has sent'),
  leaseUntil: timestamp.nullable(),
  error: z.strictObject({ code: word, message: line }).nullable(),
  notes: list(line, many).describe('What stands in the way on this host, a sentence each'),
  contests: list(RouteContest, many).describe('What the device’s own network has of the tunnel’s prefixes').optional(),
  gateways: list(GatewayStatus, many),
  routes: list(RouteStatus, many),
  resources: list(ResourceStatus, many),
  posture: recordOf(word, z.union([line, z.number(), z.boolean(), z.null()]), 100),
});
export type ClientStatus = z.infer<typeof ClientStatus>;
