import { randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { connect, isIPv6 } from 'node:net';
import { formatAddress } from '@sallyport/ip';

const port = 53;
const silenceMs = 3_000;

/** Returns the name in the only question of a query, in lower case; null when there is none. */
export function questionName(query: Buffer): string | null {
  if (query.length < 17 || query.readUInt16BE(4) !== 1 || (query.readUInt8(2) & 0x80) !== 0) return null;
  const labels: string[] = [];
  for (let at = 12; at < query.length; ) {
    const size = query.readUInt8(at);
    if (size === 0) return labels.join('.');
    if (size > 63 || at + size >= query.length) return null;
    labels.push(query.toString('latin1', at + 1, at + 1 + size).toLowerCase());
    at += size + 1;
  }
  return null;
}

/** Returns whether an answer has records. */
export const hasRecords = (answer: Buffer): boolean =>
  answer.length >= 12 && (answer.readUInt8(3) & 0x0f) === 0 && answer.readUInt16BE(6) > 0;

/** Returns the IPv4 and IPv6 addresses in the records of an answer; none from what it cannot read. */
export function answeredAddresses(answer: Buffer): string[] {
  const addresses: string[] = [];
  if (answer.length < 12) return addresses;
  let at = 12;
  for (let left = answer.readUInt16BE(4); left > 0; left--) at = afterName(answer, at) + 4;
  for (let left = answer.readUInt16BE(6); left > 0; left--) {
    at = afterName(answer, at);
    if (at + 10 > answer.length) break;
    const type = answer.readUInt16BE(at);
    const data = answer.subarray(at + 10, at + 10 + answer.readUInt16BE(at + 8));
    at += 10 + answer.readUInt16BE(at + 8);
    if (at > answer.length) break;
    if ((type === 1 && data.length === 4) || (type === 28 && data.length === 16)) addresses.push(addressOf(data));
  }
  return addresses;
}

const addressOf = (data: Buffer): string =>
  formatAddress({ family: data.length === 4 ? 4 : 6, value: BigInt(`0x${data.toString('hex')}`) });

/** Returns the place behind a name: a pointer ends it. Behind the answer when the name does not end. */
function afterName(answer: Buffer, start: number): number {
  let at = start;
  while (at < answer.length) {
    const size = answer.readUInt8(at);
    if (size === 0) return at + 1;
    if (size >= 0xc0) return at + 2;
    at += size + 1;
  }
  return at;
}

/** Returns the answer "server failure" to a query with a name. Programs then ask the next resolver that they know. */
export const serverFailure = (query: Buffer): Buffer => without(query, 2);

/** Returns the answer "no such records" to a query with a name. Programs then ask no other resolver. */
export const noRecords = (query: Buffer): Buffer => without(query, 0);

/** Resolvers of some programs refuse an answer without the question. */
function without(query: Buffer, code: number): Buffer {
  const end = query.indexOf(0, 12) + typeAndClass;
  const answer = Buffer.from(query.subarray(0, end));
  answer.writeUInt16BE(0x8080 | code | (query.readUInt16BE(2) & 0x0100), 2);
  answer.fill(0, 6, 12);
  return answer;
}

/** Bytes behind the name of a question, its end among them. */
const typeAndClass = 5;

/**
 * Sends a query to resolvers, one after another until one answers. Each has its own socket with a random port, a random
 * id, and one peer. Null: none answers, within `patienceMs` in all.
 */
export async function forward(
  query: Buffer,
  over: 'udp' | 'tcp',
  servers: readonly string[],
  patienceMs = Number.POSITIVE_INFINITY,
): Promise<Buffer | null> {
  const end = performance.now() + patienceMs;
  for (const server of servers) {
    const sent = Buffer.from(query);
    sent.writeUInt16BE(randomInt(0x10000), 0);
    const waitMs = Math.min(silenceMs, end - performance.now());
    if (waitMs <= 0) return null;
    const ask = over === 'udp' ? overUdp : overTcp;
    const answer = await ask(server, sent, waitMs).catch(() => null);
    if (answer === null) continue;
    query.copy(answer, 0, 0, 2);
    return answer;
  }
  return null;
}

const answers = (answer: Buffer, query: Buffer): boolean =>
  answer.length >= 12 && answer.readUInt16BE(0) === query.readUInt16BE(0) && (answer.readUInt8(2) & 0x80) !== 0;

function overUdp(server: string, query: Buffer, waitMs: number): Promise<Buffer | null> {
  const socket = createSocket(isIPv6(server) ? 'udp6' : 'udp4');
  let timer: NodeJS.Timeout | undefined;
  return new Promise<Buffer | null>((resolve, reject) => {
    timer = setTimeout(() => resolve(null), waitMs);
    socket.on('error', reject);
    socket.on('message', (answer) => {
      if (answers(answer, query) && questionName(unanswered(answer)) === questionName(query)) resolve(answer);
    });
    socket.connect(port, server, () => socket.send(query));
  }).finally(() => {
    clearTimeout(timer);
    socket.close();
  });
}

/** Clears the bit that tells answers from queries. */
function unanswered(answer: Buffer): Buffer {
  const query = Buffer.from(answer);
  query.writeUInt8(query.readUInt8(2) & 0x7f, 2);
  return query;
}

function overTcp(server: string, query: Buffer, waitMs: number): Promise<Buffer | null> {
  const socket = connect({ host: server, port });
  let timer: NodeJS.Timeout | undefined;
  return new Promise<Buffer | null>((resolve, reject) => {
    timer = setTimeout(() => resolve(null), waitMs);
    let held = Buffer.alloc(0);
    const length = Buffer.alloc(2);
    length.writeUInt16BE(query.length);
    socket.on('connect', () => socket.write(Buffer.concat([length, query])));
    socket.on('error', reject);
    socket.on('close', () => resolve(null));
    socket.on('data', (data) => {
      held = Buffer.concat([held, data]);
      if (held.length < 2 || held.length < held.readUInt16BE(0) + 2) return;
      const answer = Buffer.from(held.subarray(2, held.readUInt16BE(0) + 2));
      resolve(answers(answer, query) ? answer : null);
    });
  }).finally(() => {
    clearTimeout(timer);
    socket.destroy();
  });
}
