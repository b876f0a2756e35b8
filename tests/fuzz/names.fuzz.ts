import assert from 'node:assert/strict';
import { decode, encode, type Packet } from 'dns-packet';
import { answerQuery } from '../../apps/gateway/src/names/answer.ts';
import { readAnswer, UpstreamError } from '../../apps/gateway/src/names/upstream.ts';
import { parseAddress } from '../../packages/ip/src/index.ts';
import { below, bytes, pick, size, spoiltBytes } from './mutate.ts';

/** Name of the target. */
export const name = 'names';

type Random = () => number;

const granted = 'wiki.corp.example';
const virtual = ['100.96.0.1', 'fd00:5a11:0:ffff::1'];
const state = { A: { addresses: ['10.0.0.1'], at: 0 }, AAAA: { addresses: ['fd20::1'], at: 0 }, fault: null };
const types = ['A', 'AAAA', 'CNAME', 'TXT', 'SOA', 'MX', 'SRV', 'PTR', 'UNKNOWN_65', 'ANY'] as const;
const hosts = [
  granted,
  'WIKI.corp.EXAMPLE.',
  'vault.corp.example',
  'use-application-dns.net',
  '.',
  'a',
  `${'x'.repeat(63)}.b`,
];

/** Packets of devices and of resolvers. */
export async function target(random: Random): Promise<void> {
  if (random() < 0.5) await asked(random);
  else answered(random);
}

/** A device gets virtual addresses of its own names, a refusal, or nothing. */
async function asked(random: Random): Promise<void> {
  const query = packetOf(random, 'query').subarray(0, 512);
  const answer = await answerQuery(query, '100.64.1.1', {
    obtain: async () => null,
    mayAsk: (_source, of) => of === granted,
    virtual: () => virtual,
    lookUp: async () => state,
  });
  if (answer === null) return;
  assert.equal(answer.readUInt16BE(0), query.readUInt16BE(0), 'the id of the query');
  const packet = decode(answer);
  assert.equal(packet.type, 'response');
  for (const record of packet.answers ?? [])
    assert.ok('data' in record && virtual.includes(String(record.data)), `a record of type ${record.type}`);
  assert.ok(answer.length <= 1024, `${answer.length} bytes`);
}

/** An answer of a resolver gives few well-formed addresses, or the error of a resolver. */
function answered(random: Random): void {
  const data = packetOf(random, 'response');
  const type = pick(random, ['A', 'AAAA'] as const);
  let packet: ReturnType<typeof decode>;
  try {
    packet = decode(data);
  } catch {
    return;
  }
  try {
    const { addresses, ttl, aliases } = readAnswer(packet, granted, type);
    for (const address of addresses) assert.equal(parseAddress(address)?.family, type === 'A' ? 4 : 6);
    assert.ok(addresses.length <= 32 && aliases <= 8, `${addresses.length} addresses, ${aliases} aliases`);
    assert.ok(!Number.isNaN(ttl) && ttl >= 0, `TTL ${ttl}`);
  } catch (error) {
    if (!(error instanceof UpstreamError)) throw error;
  }
}

function packetOf(random: Random, type: 'query' | 'response'): Buffer {
  const kind = random();
  if (kind < 0.1) return bytes(random, size(random, 600));
  const packet = Buffer.from(encode(validPacket(random, type)));
  if (kind < 0.3) return packet;
  // A pointer may lead anywhere, itself included.
  for (let left = kind < 0.6 ? size(random, 20) : 0; left > 0; left--)
    packet.writeUInt16BE(0xc000 + below(random, Math.min(packet.length, 0x4000)), below(random, packet.length - 1));
  return random() < 0.5 ? packet : spoiltBytes(random, packet);
}

function validPacket(random: Random, type: 'query' | 'response'): Packet {
  const questions = Array.from({ length: random() < 0.8 ? 1 : below(random, 5) }, () => ({
    name: pick(random, hosts),
    type: pick(random, types),
  }));
  const answers = type === 'query' ? [] : Array.from({ length: size(random, 2_000) - 1 }, () => recordOf(random));
  return { type, id: below(random, 0x10000), flags: below(random, 0x8000), questions, answers } as Packet;
}

function recordOf(random: Random) {
  const common = { name: pick(random, hosts), ttl: pick(random, [0, 1, 300, 2 ** 31, 2 ** 32 - 1]) };
  const address = `10.0.${below(random, 256)}.${below(random, 256)}`;
  return pick(random, [
    { ...common, type: 'A', data: address },
    { ...common, type: 'AAAA', data: `fd20::${below(random, 0xffff).toString(16)}` },
    { ...common, type: 'CNAME', data: pick(random, hosts) },
    { ...common, type: 'TXT', data: 'text' },
  ] as const);
}
