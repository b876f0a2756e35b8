import { randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { connect, isIPv6 } from 'node:net';
import { formatAddress, parseAddress } from '@sallyport/ip';
import { type DecodedPacket, decode, encode, RECURSION_DESIRED, streamEncode } from 'dns-packet';

/** Type of a question about addresses. */
export type AddressType = 'A' | 'AAAA';

/** Answer of a resolver. `reason`: why there are no addresses. */
export interface UpstreamAnswer {
  /** Canonical addresses. */
  readonly addresses: readonly string[];
  /** Null when there are addresses. */
  readonly reason: 'NXDOMAIN' | 'NODATA' | null;
  /** Seconds. */
  readonly ttl: number;
}

/** A resolver. */
export interface ResolverAddress {
  readonly address: string;
  readonly port: number;
}

/** Why a resolver gave no answer. */
export class UpstreamError extends Error {}

/** Most CNAME records that are followed. */
const mostAliases = 8;
/** Most addresses of a name. */
const mostAddresses = 32;
const largestDatagram = 1232;
const largestAnswer = 65_535;
const triesPerServer = 2;
/** Datagrams in the resolver's name that do not answer the question, after which somebody may be guessing. */
const mostMismatches = 16;

/** Where names are asked for, and how long. */
export interface Upstream {
  /** Returns the resolvers for a name, best first. */
  readonly serversFor: (name: string) => readonly ResolverAddress[];
  /** Time for one answer. */
  readonly timeoutMs: number;
  /** Called after each resolver was asked, with whether it answered, and how long that took. */
  readonly asked?: (server: ResolverAddress, answered: boolean, ms: number) => void;
}

/**
 * Asks for the addresses of a name. Follows aliases whose target the answer does not contain: each may have other
 * resolvers.
 */
export async function askUpstream(upstream: Upstream, name: string, type: AddressType): Promise<UpstreamAnswer> {
  let asked = name;
  let ttl = Number.POSITIVE_INFINITY;
  for (let aliases = 0; aliases <= mostAliases; ) {
    const found = await askServers(upstream, asked, type, mostAliases - aliases);
    ttl = Math.min(ttl, found.ttl);
    if (found.alias === null) return { addresses: found.addresses, reason: found.reason, ttl };
    asked = found.alias;
    aliases += Math.max(found.aliases, 1);
  }
  throw new UpstreamError(`${name} has more than ${mostAliases} aliases, or they form a circle`);
}

/**
 * Asks resolvers one after another until one answers. Each question has its own socket with a random port, a random id,
 * and one peer. A datagram that does not answer exactly this question is ignored. After a truncated answer, or many such
 * datagrams, the question is asked again over TCP.
 */
function askServers(upstream: Upstream, name: string, type: AddressType, most: number): Promise<Reading> {
  return askUntil(upstream, name, type, (packet) => readAnswer(packet, name, type, most));
}

/** Asks resolvers in the same way about records of any type. Returns an answer that gives some, or says that none exist. */
export function askPacket(upstream: Upstream, name: string, type: string): Promise<DecodedPacket> {
  return askUntil(upstream, name, type, (packet) => {
    checkAnswered(packet);
    return packet;
  });
}

async function askUntil<T>(
  { serversFor, timeoutMs, asked }: Upstream,
  name: string,
  type: string,
  read: (packet: DecodedPacket) => T,
): Promise<T> {
  const servers = serversFor(name);
  let failure = new UpstreamError('this host has no resolver');
  for (const server of Array.from({ length: triesPerServer }, () => servers).flat()) {
    const began = performance.now();
    try {
      const found = read(await askOnce(server, name, type, timeoutMs));
      asked?.(server, true, performance.now() - began);
      return found;
    } catch (error) {
      asked?.(server, false, performance.now() - began);
      failure = error instanceof UpstreamError ? error : new UpstreamError((error as Error).message);
    }
  }
  throw failure;
}

interface Reading extends UpstreamAnswer {
  /** Name whose addresses are still to be asked for; null: none. */
  readonly alias: string | null;
  readonly aliases: number;
}

const rcodeOf = (packet: DecodedPacket): string => (packet as { rcode?: string }).rcode ?? 'NOERROR';

/** Returns the code of an answer. Throws when it is a failure. */
function checkAnswered(packet: DecodedPacket): string {
  const rcode = rcodeOf(packet);
  if (rcode !== 'NOERROR' && rcode !== 'NXDOMAIN') throw new UpstreamError(`the resolver answers ${rcode}`);
  return rcode;
}

/** Reads an answer. Only records that belong to the question, through its aliases, count. */
export function readAnswer(packet: DecodedPacket, name: string, type: AddressType, most = mostAliases): Reading {
  const rcode = checkAnswered(packet);
  let current = canonical(name);
  let ttl = Number.POSITIVE_INFINITY;
  let aliases = 0;
  for (;;) {
    const own = (packet.answers ?? []).filter((record) => canonical(record.name) === current);
    const addresses = own.flatMap((record) => (record.type === type ? addressOf(record.data, type) : []));
    for (const record of own) if ('ttl' in record && record.ttl !== undefined) ttl = Math.min(ttl, record.ttl);
    const few = [...new Set(addresses)].slice(0, mostAddresses);
    if (few.length > 0) return { addresses: few, reason: null, ttl, alias: null, aliases };
    const alias = own.find((record) => record.type === 'CNAME');
    if (alias?.type !== 'CNAME') break;
    aliases += 1;
    if (aliases > most) throw new UpstreamError(`${name} has more than ${mostAliases} aliases, or they form a circle`);
    current = canonical(alias.data);
  }
  const negative = { addresses: [], ttl: Math.min(ttl, negativeTtl(packet)), aliases };
  if (rcode === 'NXDOMAIN') return { ...negative, reason: 'NXDOMAIN', alias: null };
  const unfinished = aliases > 0 && !(packet.authorities ?? []).some(({ type }) => type === 'SOA');
  return { ...negative, ttl: unfinished ? ttl : negative.ttl, reason: 'NODATA', alias: unfinished ? current : null };
}

function addressOf(data: unknown, type: AddressType): string[] {
  const address = typeof data === 'string' ? parseAddress(data) : null;
  return address === null || address.family !== (type === 'A' ? 4 : 6) ? [] : [formatAddress(address)];
}

function negativeTtl({ authorities }: DecodedPacket): number {
  const soa = authorities?.find(({ type }) => type === 'SOA');
  return soa?.type === 'SOA' ? Math.min(soa.ttl ?? 0, soa.data.minimum ?? 0) : 0;
}

/** Asks one resolver. One that does not know EDNS is asked again without it. */
async function askOnce(server: ResolverAddress, name: string, type: string, timeoutMs: number): Promise<DecodedPacket> {
  const packet = await askWith(server, name, type, timeoutMs, [extension]);
  return beforeEdns.has(rcodeOf(packet)) ? askWith(server, name, type, timeoutMs, []) : packet;
}

/** Answers of resolvers that do not know EDNS (RFC 6891, section 7). */
const beforeEdns: ReadonlySet<string> = new Set(['FORMERR', 'NOTIMP']);

const extension = {
  type: 'OPT' as const,
  name: '.' as const,
  udpPayloadSize: largestDatagram,
  extendedRcode: 0,
  ednsVersion: 0,
  flags: 0,
  flag_do: false,
  options: [],
};

async function askWith(
  server: ResolverAddress,
  name: string,
  type: string,
  timeoutMs: number,
  additionals: readonly (typeof extension)[],
): Promise<DecodedPacket> {
  const query = {
    type: 'query' as const,
    id: randomInt(0x10000),
    flags: RECURSION_DESIRED,
    questions: [{ type: type as AddressType, name, class: 'IN' as const }],
    additionals: [...additionals],
  };
  const matches = (data: Buffer) => answering(data, query.id, name, type);
  const packet = await overUdp(server, encode(query as Parameters<typeof encode>[0]), matches, timeoutMs);
  if (packet !== null && !packet.flag_tc) return packet;
  return overTcp(server, streamEncode(query as Parameters<typeof streamEncode>[0]), matches, timeoutMs);
}

/** Returns the packet if it answers exactly this question; else null. */
function answering(data: Buffer, id: number, name: string, type: string): DecodedPacket | null {
  let packet: DecodedPacket;
  try {
    packet = decode(data);
  } catch {
    return null;
  }
  const [question, more] = packet.questions ?? [];
  if (packet.type !== 'response' || packet.id !== id || question === undefined || more !== undefined) return null;
  return canonical(question.name) === canonical(name) && question.type === type ? packet : null;
}

type Matches = (data: Buffer) => DecodedPacket | null;

/** Returns null after too many datagrams that do not answer the question. */
function overUdp(
  server: ResolverAddress,
  query: Buffer,
  matches: Matches,
  timeoutMs: number,
): Promise<DecodedPacket | null> {
  const socket = createSocket(isIPv6(server.address) ? 'udp6' : 'udp4');
  let mismatches = 0;
  return new Promise<DecodedPacket | null>((resolve, reject) => {
    const timer = setTimeout(() => reject(silent(server)), timeoutMs);
    socket.on('error', (error) => reject(new UpstreamError(`${server.address}: ${error.message}`)));
    socket.on('close', () => clearTimeout(timer));
    socket.on('message', (data) => {
      const packet = matches(data);
      if (packet === null) mismatches += 1;
      if (packet !== null || mismatches > mostMismatches) resolve(packet);
    });
    // A connected socket takes datagrams from this server only, and reports that its port is closed.
    socket.connect(server.port, server.address, () => socket.send(query));
  }).finally(() => socket.close());
}

function overTcp(server: ResolverAddress, query: Buffer, matches: Matches, timeoutMs: number): Promise<DecodedPacket> {
  const socket = connect({ host: server.address, port: server.port });
  return new Promise<DecodedPacket>((resolve, reject) => {
    const timer = setTimeout(() => reject(silent(server)), timeoutMs);
    let held = Buffer.alloc(0);
    socket.on('connect', () => socket.write(query));
    socket.on('error', (error) => reject(new UpstreamError(`${server.address} over TCP: ${error.message}`)));
    socket.on('close', () => {
      clearTimeout(timer);
      reject(new UpstreamError(`${server.address} ended the connection`));
    });
    socket.on('data', (data) => {
      held = Buffer.concat([held, data]);
      const size = held.length < 2 ? largestAnswer : held.readUInt16BE(0);
      if (held.length < size + 2) return;
      const packet = matches(held.subarray(2, size + 2));
      if (packet === null) reject(new UpstreamError(`${server.address} answers another question`));
      else resolve(packet);
    });
  }).finally(() => socket.destroy());
}

const silent = ({ address }: ResolverAddress) => new UpstreamError(`${address} does not answer`);

/** Returns a name in lower case without a final dot. */
export const canonical = (name: string): string => name.toLowerCase().replace(/(?<=[^.])\.$/, '');
