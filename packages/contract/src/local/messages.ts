import { z } from 'zod';
import { list } from '../bounds.ts';
import { DnsReply, longestName } from './dns.ts';
import { Nat } from './nat.ts';
import { ClientStatus, line, many, word } from './status.ts';

/**
 * Name of the local socket of the client daemon, in its state directory (mode 0600). Requests and answers are lines of JSON.
 * The daemon answers each request with one line, in order. After `follow` it sends a line for every change of the status.
 */
export const socketName = 'client.sock';

/** Default state directory of the daemon. It holds keys and state. */
export const clientStateDir = '/var/lib/sallyport/client';

/** Name of the file with the last status of the daemon, beside the socket. Used while no daemon runs. */
export const statusName = 'status.json';

/** Maximum length of an answer. Longer answers end the connection. */
export const maxLine = 4 << 20;

/** Maximum length of a request. Longer requests end the connection. */
export const maxRequest = 4_096;

/** A request on the local socket of the client daemon. */
export const LocalRequest = z.discriminatedUnion('op', [
  z.strictObject({ op: z.literal('status') }),
  z.strictObject({ op: z.literal('follow') }),
  /** Probes a resource, gateway or address once, by name, id or address. */
  z.strictObject({ op: z.literal('ping'), target: z.string().min(1).max(300), timeoutMs: z.int().min(50).max(10_000) }),
  z.strictObject({ op: z.literal('netcheck') }),
  /** Explains how a host name resolves on the device. */
  z.strictObject({ op: z.literal('dns'), name: z.string().min(1).max(longestName) }),
  /** Collects the facts about the device now. */
  z.strictObject({ op: z.literal('posture') }),
  /** Ends the daemon. The applied configuration stays. */
  z.strictObject({ op: z.literal('stop') }),
]);
export type LocalRequest = z.infer<typeof LocalRequest>;

const rtt = z.number().nonnegative().nullable();

/** Path and round-trip times to a target. A time of null means no answer. */
export const PingReply = z.strictObject({
  type: z.literal('ping'),
  target: word,
  address: word.nullable().describe('Probed address; null: only the gateway was probed'),
  gateway: z.strictObject({ id: word, name: word }).nullable(),
  path: z.enum(['searching', 'direct', 'relayed', 'lost', 'local']).nullable(),
  relay: z.strictObject({ id: word, name: word }).nullable(),
  gatewayRttMs: rtt.describe('Round-trip time to the gateway through the tunnel'),
  rttMs: rtt.describe('Round-trip time to the target; null: it did not answer, or it is a gateway'),
  detail: line,
});
export type PingReply = z.infer<typeof PingReply>;

/** Connectivity of the network of the device. Null values could not be determined. */
export const Netcheck = z.strictObject({
  type: z.literal('netcheck'),
  controller: z.strictObject({
    url: word,
    connected: z.boolean(),
    rttMs: rtt.describe('Time to open a TCP connection'),
    detail: line,
    clockSkewMs: z.number().nullable().describe('Clock difference to the controller; positive: this host is ahead'),
  }),
  relays: list(z.strictObject({ gateway: word, name: word.nullable(), endpoint: word, rttMs: rtt }), many),
  beacons: list(
    z.strictObject({
      endpoint: word,
      answers: z.boolean().describe('Whether the beacon answered a handshake in the last minutes'),
    }),
    many,
  ),
  nat: Nat,
  ipv4: z.boolean().describe('Whether the host has a default route or a global address'),
  ipv6: z.boolean(),
  uplink: z.strictObject({ interface: word, mtu: z.int(), source: word.nullable() }).nullable(),
  tunnelMtu: z.int().nullable(),
  pathMtus: list(
    z.strictObject({
      gateway: word,
      name: word,
      carries: z.int().nullable().describe('Largest packet that passes the tunnel both ways, in bytes'),
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
  DnsReply,
  z.strictObject({ type: z.literal('done') }),
  z.strictObject({ type: z.literal('failed'), message: line }),
]);
export type LocalReply = z.infer<typeof LocalReply>;
