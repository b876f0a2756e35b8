import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { createServer } from 'node:net';
import { type TestContext, test } from 'node:test';
import { type DecodedPacket, decode, encode, type Packet, streamEncode, TRUNCATED_RESPONSE } from 'dns-packet';
import { askUpstream, readAnswer } from './upstream.ts';

type Make = (query: DecodedPacket) => readonly (Packet | Buffer)[];

/** A resolver that sends some datagrams for each query, and answers over TCP with `overTcp`. */
async function resolver(t: TestContext, make: Make, overTcp: Make = make): Promise<number> {
  for (;;) {
    const port = await tryResolver(t, make, overTcp);
    if (port !== null) return port;
  }
}

/** Null: another program has the port that was free for UDP, over TCP. */
async function tryResolver(t: TestContext, make: Make, overTcp: Make): Promise<number | null> {
  const udp = createSocket('udp4');
  t.after(() => udp.close());
  udp.on('message', (data, from) => {
    for (const packet of make(decode(data)))
      udp.send(Buffer.isBuffer(packet) ? packet : encode(packet), from.port, from.address);
  });
  await new Promise<void>((resolve) => udp.bind(0, '127.0.0.1', resolve));
  const { port } = udp.address();
  const tcp = createServer((socket) => {
    socket.on('error', () => {});
    socket.on('data', (data) => {
      const [packet] = overTcp(decode(data.subarray(2)));
      if (packet === undefined || Buffer.isBuffer(packet)) return void socket.destroy();
      const bytes = streamEncode(packet);
      socket.write(bytes.subarray(0, 1));
      socket.write(bytes.subarray(1));
    });
  });
  const isFree = await new Promise<boolean>((resolve) => {
    tcp.once('error', () => resolve(false));
    tcp.listen(port, '127.0.0.1', () => resolve(true));
  });
  if (!isFree) return null;
  t.after(() => tcp.close());
  return port;
}

const answer = (query: DecodedPacket, answers: Packet['answers'] = [], flags = 0): Packet => ({
  type: 'response',
  id: query.id ?? 0,
  flags,
  questions: query.questions ?? [],
  answers,
});
const a = (name: string, data: string, ttl = 30) => ({ type: 'A' as const, name, data, ttl });
const cname = (name: string, data: string, ttl = 20) => ({ type: 'CNAME' as const, name, data, ttl });
const askAt = (ports: readonly number[], name = 'wiki.example', timeoutMs = 400) =>
  askUpstream({ serversFor: () => ports.map((port) => ({ address: '127.0.0.1', port })), timeoutMs }, name, 'A');
const ask = (port: number) => askAt([port]);

test('an answer counts through its aliases, and records of other names do not', async (t) => {
  const port = await resolver(t, (query) => [
    answer(query, [
      a('other.example', '10.0.0.9'),
      cname('wiki.example', 'host.example'),
      a('HOST.example', '10.0.0.1'),
      a('host.example', '10.0.0.1'),
      a('host.example', '10.0.0.2'),
    ]),
  ]);
  assert.deepEqual(await ask(port), { addresses: ['10.0.0.1', '10.0.0.2'], reason: null, ttl: 20 });
});

test('forged answers are ignored: another id, another question, a query, noise', async (t) => {
  const port = await resolver(t, (query) => {
    const forged = a('wiki.example', '10.6.6.6');
    const id = ((query.id ?? 0) + 1) % 0x10000;
    return [
      { ...answer(query, [forged]), id },
      { ...answer(query, [forged]), questions: [{ type: 'A', name: 'other.example' }] },
      { ...answer(query, [forged]), questions: [{ type: 'AAAA', name: 'wiki.example' }] },
      { ...answer(query, [forged]), questions: [] },
      { ...answer(query, [forged]), type: 'query' },
      Buffer.from('00112233', 'hex'),
      answer(query, [a('wiki.example', '10.0.0.1')]),
    ];
  });
  assert.deepEqual((await ask(port)).addresses, ['10.0.0.1']);
});

test('ids and ports of questions differ', async (t) => {
  const seen = new Set<number>();
  const port = await resolver(t, (query) => {
    seen.add(query.id ?? 0);
    return [answer(query, [a('wiki.example', '10.0.0.1')])];
  });
  for (let i = 0; i < 40; i++) await ask(port);
  assert.ok(seen.size > 35, `${seen.size} ids`);
});

test('neither the id nor the port of a question can be guessed from the ones before', async (t) => {
  const count = 300;
  const seen: { id: number; port: number }[] = [];
  const udp = createSocket('udp4');
  t.after(() => udp.close());
  udp.on('message', (data, from) => {
    const query = decode(data);
    seen.push({ id: query.id ?? 0, port: from.port });
    udp.send(encode(answer(query, [a('wiki.example', '10.0.0.1')])), from.port, from.address);
  });
  await new Promise<void>((resolve) => udp.bind(0, '127.0.0.1', resolve));
  for (let i = 0; i < count; i++) await askAt([udp.address().port], 'wiki.example', 60_000);
  const steps = (list: readonly number[]) => list.slice(1).map((value, i) => Math.abs(value - (list[i] as number)));
  for (const [what, list] of Object.entries({ ids: seen.map(({ id }) => id), ports: seen.map(({ port }) => port) })) {
    // Each limit fails by chance less than once in a billion runs.
    assert.ok(new Set(list).size >= count - 25, `${new Set(list).size} different ${what} of ${count}`);
    const near = steps(list).filter((step) => step < 128).length;
    assert.ok(near <= 25, `${near} ${what} are near the one before`);
  }
  for (let bit = 0; bit < 16; bit++) {
    const ones = seen.filter(({ id }) => (id >> bit) & 1).length;
    assert.ok(Math.abs(ones - count / 2) < 60, `bit ${bit} of the ids is set in ${ones} of ${count}`);
  }
  assert.equal(new Set(seen.map(({ id, port }) => `${id} ${port}`)).size, count);
});

test('many forged answers make it ask over TCP, where a guess is not enough', async (t) => {
  let overUdp = 0;
  const port = await resolver(
    t,
    (query) => {
      overUdp += 1;
      const guesses = Array.from({ length: 200 }, (_, n) => ((query.id ?? 0) + 1 + n) % 0x10000);
      return guesses.map((id) => ({ ...answer(query, [a('wiki.example', '10.6.6.6')]), id }));
    },
    (query) => [answer(query, [a('wiki.example', '10.0.0.1')])],
  );
  assert.deepEqual((await askAt([port], 'wiki.example', 60_000)).addresses, ['10.0.0.1']);
  assert.equal(overUdp, 1);
});

test('an answer with thousands of records gives few addresses', async (t) => {
  const many = Array.from({ length: 2_000 }, (_, n) => a('wiki.example', `10.0.${n >> 8}.${n & 255}`));
  const port = await resolver(
    t,
    (query) => [answer(query, [], TRUNCATED_RESPONSE)],
    (query) => [answer(query, many)],
  );
  assert.equal((await askAt([port], 'wiki.example', 60_000)).addresses.length, 32);
});

test('a truncated answer is asked for again over TCP', async (t) => {
  const port = await resolver(
    t,
    (query) => [answer(query, [a('wiki.example', '10.6.6.6')], TRUNCATED_RESPONSE)],
    (query) => [answer(query, [a('wiki.example', '10.0.0.1')])],
  );
  assert.deepEqual((await ask(port)).addresses, ['10.0.0.1']);
});

test('aliases that lead in a circle, and long chains, end', async (t) => {
  const circle = await resolver(t, (query) => [
    answer(query, [cname('wiki.example', 'b.example'), cname('b.example', 'wiki.example')]),
  ]);
  await assert.rejects(ask(circle), /more than 8 aliases/);
  let asked = 0;
  const endless = await resolver(t, (query) => {
    asked += 1;
    return [answer(query, [cname(query.questions?.[0]?.name ?? '', `n${asked}.example`)])];
  });
  await assert.rejects(ask(endless), /more than 8 aliases/);
  assert.ok(asked <= 20, `${asked} questions`);
});

test('a target without addresses is asked for by itself', async (t) => {
  const port = await resolver(t, (query) => [
    answer(
      query,
      query.questions?.[0]?.name === 'wiki.example'
        ? [cname('wiki.example', 'host.example')]
        : [a('host.example', '10.0.0.1')],
    ),
  ]);
  assert.deepEqual((await ask(port)).addresses, ['10.0.0.1']);
});

test('a name that does not exist, one without addresses, and a failure differ', () => {
  const packet = (rcode: string) => ({ ...answer({} as DecodedPacket), rcode }) as unknown as DecodedPacket;
  assert.equal(readAnswer(packet('NXDOMAIN'), 'wiki.example', 'A').reason, 'NXDOMAIN');
  assert.equal(readAnswer(packet('NOERROR'), 'wiki.example', 'A').reason, 'NODATA');
  assert.throws(() => readAnswer(packet('SERVFAIL'), 'wiki.example', 'A'), /SERVFAIL/);
});

test('the next resolver is asked when one is silent, and a closed port is no wait', async (t) => {
  const silent = await resolver(t, () => []);
  const good = await resolver(t, (query) => [answer(query, [a('wiki.example', '10.0.0.1')])]);
  assert.deepEqual((await askAt([silent, good], 'wiki.example', 100)).addresses, ['10.0.0.1']);
  await assert.rejects(askAt([silent], 'wiki.example', 50), /does not answer/);
  await assert.rejects(askAt([]), /no resolver/);
});

test('a resolver that does not know EDNS is asked again without it', async (t) => {
  const extensions: number[] = [];
  const port = await resolver(t, (query) => {
    const known = (query.additionals ?? []).length;
    extensions.push(known);
    return [known > 0 ? answer(query, [], 1) : answer(query, [a('wiki.example', '10.0.0.1')])];
  });
  assert.deepEqual((await ask(port)).addresses, ['10.0.0.1']);
  assert.deepEqual(extensions, [1, 0]);
});

test('the target of an alias is asked for at the resolvers of its own domain', async (t) => {
  const outer = await resolver(t, (query) => [
    answer(query, query.questions?.[0]?.name === 'wiki.example' ? [cname('wiki.example', 'host.lab')] : []),
  ]);
  const inner = await resolver(t, (query) => [answer(query, [a('host.lab', '10.0.0.1')])]);
  const serversFor = (name: string) => [{ address: '127.0.0.1', port: name.endsWith('.lab') ? inner : outer }];
  assert.deepEqual((await askUpstream({ serversFor, timeoutMs: 400 }, 'wiki.example', 'A')).addresses, ['10.0.0.1']);
});

test('a name has a bounded number of addresses, however many an answer contains', async (t) => {
  const many = Array.from({ length: 2000 }, (_, n) => a('wiki.example', `10.0.${n >> 8}.${n & 255}`));
  const port = await resolver(
    t,
    (query) => [answer(query, [], TRUNCATED_RESPONSE)],
    (query) => [answer(query, many)],
  );
  assert.equal((await ask(port)).addresses.length, 32);
});
