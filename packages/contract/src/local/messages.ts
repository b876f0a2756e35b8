import { z } from 'zod';
import { list } from '../bounds.ts';
import { Nat } from './nat.ts';
import { ClientStatus, line, many, word } from './status.ts';

/**
 * The local socket of a device's daemon (`client.sock` in its state directory, 0600): lines of JSON, each request answered by
 * one line, in order. After `follow` the daemon goes on sending: a line whenever the status has changed.
 */
export const socketName = 'client.sock';

/** Where the daemon keeps its keys and its state, unless told otherwise. */
export const clientStateDir = '/var/lib/sallyport/client';

/** Beside the socket: the last status that a daemon wrote, for when none runs. */
export const statusName = 'status.json';

/** Longer answers end the connection. */
export const maxLine = 4 << 20;

/** Longer requests do. */
export const maxRequest = 4_096;

/** A request on the local socket of the client daemon. */
export const LocalRequest = z.discriminatedUnion('op', [
  z.strictObject({ op: z.literal('status') }),
  z.strictObject({ op: z.literal('follow') }),
  /** One probe of a resource, a gateway, or an address, by name, id or address. */
  z.strictObject({ op: z.literal('ping'), target: z.string().min(1).max(300), timeoutMs: z.int().min(50).max(10_000) }),
  z.strictObject({ op: z.literal('netcheck') }),
  /** Looks at the device's facts again, now. */
  z.strictObject({ op: z.literal('posture') }),
  /** The daemon ends; what it applied stays. */
  z.strictObject({ op: z.literal('stop') }),
]);
export type LocalRequest = z.infer<typeof LocalRequest>;

const rtt = z.number().nonnegative().nullable();

/** The way that packets to a target take, and how long there and back took; null: no answer. */
export const PingReply = z.strictObject({
  type: z.literal('ping'),
  target: word,
  address: word.nullable().describe('That was asked; null: only the gateway was'),
  gateway: z.strictObject({ id: word, name: word }).nullable(),
  path: z.enum(['searching', 'direct', 'relayed', 'lost', 'local']).nullable(),
  relay: z.strictObject({ id: word, name: word }).nullable(),
  gatewayRttMs: rtt.describe('To the gateway’s kernel and back through the tunnel'),
  rttMs: rtt.describe('To the target itself; null: it did not answer, or it is a gateway'),
  detail: line,
});
export type PingReply = z.infer<typeof PingReply>;

/** What the network around the device lets through. Null: it could not be found out. */
export const Netcheck = z.strictObject({
  type: z.literal('netcheck'),
  controller: z.strictObject({
    url: word,
    connected: z.boolean(),
    rttMs: rtt.describe('To open a TCP connection'),
    detail: line,
    clockSkewMs: z.number().nullable().describe('How far this clock is ahead of the controller’s'),
  }),
  relays: list(z.strictObject({ gateway: word, name: word.nullable(), endpoint: word, rttMs: rtt }), many),
  beacons: list(
    z.strictObject({ endpoint: word, answers: z.boolean().describe('To a handshake within the last minutes') }),
    many,
  ),
  nat: Nat,
  ipv4: z.boolean().describe('A default route, or an address of more than local meaning'),
  ipv6: z.boolean(),
  uplink: z.strictObject({ interface: word, mtu: z.int(), source: word.nullable() }).nullable(),
  tunnelMtu: z.int().nullable(),
  pathMtus: list(
    z.strictObject({
      gateway: word,
      name: word,
      carries: z.int().nullable().describe('Largest packet in the tunnel that gets there and back, in bytes'),
    }),
    many,
  ).optional(),
  wireguard: z.enum(['kernel', 'userspace', 'memory']).nullable(),
  advice: list(line, many),
});
export type Netcheck = z.infer<typeof Netcheck>;

/** An answer on the local socket of the client daemon. */
export const LocalReply = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('status'), status: ClientStatus }),
  PingReply,
  Netcheck,
  z.strictObject({ type: z.literal('done') }),
  z.strictObject({ type: z.literal('failed'), message: line }),
]);
export type LocalReply = z.infer<typeof LocalReply>;
