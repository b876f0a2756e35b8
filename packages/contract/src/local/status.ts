import { z } from 'zod';

/** How a device stands, as its own daemon sees it. */

const timestamp = z.iso.datetime();
const milliseconds = z.number().nonnegative();

/** One entry of the way to a gateway: `relayed` names the gateway that forwards, which cannot read what it forwards. */
export const gatewayPath = z.enum(['searching', 'direct', 'relayed', 'lost']);
export type GatewayPath = z.infer<typeof gatewayPath>;

const named = z.strictObject({ id: z.string(), name: z.string() });

/** A gateway that the device has a tunnel to. */
export const GatewayStatus = z.strictObject({
  id: z.string(),
  name: z.string(),
  addresses: z.array(z.string()).describe('In the overlay'),
  standing: z.enum(['ACTIVE', 'MAINTENANCE', 'ERROR']),
  path: gatewayPath,
  relay: named.nullable().describe('The gateway that relays; null unless relayed'),
  endpoint: z.string().nullable(),
  rttMs: milliseconds.nullable(),
  lastHandshake: timestamp.nullable(),
  rxBytes: z.int().nonnegative(),
  txBytes: z.int().nonnegative(),
});
export type GatewayStatus = z.infer<typeof GatewayStatus>;

/** A prefix, and the gateway that carries it. */
export const RouteStatus = z.strictObject({
  prefix: z.string(),
  mode: z.enum(['MANUAL', 'AUTOMATIC']),
  gateways: z
    .array(z.strictObject({ id: z.string(), against: z.string().nullable().describe('Null: nothing') }))
    .describe('Those that may carry it, in order, and what speaks against each'),
  carrier: z.string().nullable().describe('Id of the gateway; null: none can at present'),
  why: z.string().describe('Why it is this one, or none'),
});
export type RouteStatus = z.infer<typeof RouteStatus>;

export const ResourceStatus = z.strictObject({
  id: z.string(),
  name: z.string(),
  denied: z.string().nullable().describe('What is in the way; null: it may be reached'),
  routes: z.array(z.string()).describe('Prefixes of `routes` that lead to it'),
});
export type ResourceStatus = z.infer<typeof ResourceStatus>;

export const ClientStatus = z.strictObject({
  version: z.string().describe('Of the client'),
  pid: z.int().nullable().describe('Null: no daemon runs; what it applied last goes on until the lease ends'),
  device: z.string().describe('Id of the device'),
  enrolled: z.boolean(),
  interface: z.string(),
  wireguard: z.enum(['kernel', 'userspace', 'memory']).nullable(),
  addresses: z.array(z.string()),
  controller: z.strictObject({ url: z.string(), connected: z.boolean(), phase: z.string() }),
  revision: z.int().nonnegative().nullable().describe('Of the state in force; null: none is'),
  current: z.boolean().describe('What is in force is the newest that the controller has sent'),
  leaseUntil: timestamp.nullable(),
  error: z.strictObject({ code: z.string(), message: z.string() }).nullable(),
  notes: z.array(z.string()).describe('What stands in the way on this host, a sentence each'),
  gateways: z.array(GatewayStatus),
  routes: z.array(RouteStatus),
  resources: z.array(ResourceStatus),
  posture: z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null()])),
});
export type ClientStatus = z.infer<typeof ClientStatus>;
