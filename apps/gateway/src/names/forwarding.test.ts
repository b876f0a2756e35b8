import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { type TestContext, test } from 'node:test';
import { type DecodedPacket, decode, encode, RECURSION_DESIRED } from 'dns-packet';
import { forbiddenAddresses } from './forbidden.ts';
import { Forwarding } from './forwarding.ts';
import { isAloof, isPrivate, reverseAddress } from './private-names.ts';
import type { Upstream } from './upstream.ts';

type Records = NonNullable<DecodedPacket['answers']>;

const device = '100.64.0.9';
const overlay = { v4: '100.64.0.0/11', v6: 'fd50::/48' };

/** Forwards to a resolver that gives these records for any question. */
async function start(
  t: TestContext,
  records: (name: string) => Records,
  more: { code?: number; silent?: (name: string) => boolean } = {},
) {
  const asked: string[] = [];
  const socket = createSocket('udp4');
  t.after(() => socket.close());
  await new Promise<void>((resolve) => socket.bind({ address: '127.0.0.1', port: 0 }, resolve));
  socket.on('message', (data, from) => {
    const { id, questions = [] } = decode(data);
    const name = questions[0]?.name ?? '';
    asked.push(name);
    if (more.silent?.(name) === true) return;
    const answers = records(name);
    const additionals: Records = [{ type: 'A', name: 'extra.example', data: '203.0.113.99' }];
    const answer = { type: 'response' as const, id, flags: more.code ?? 0, questions, answers, additionals };
    socket.send(encode(answer), from.port, from.address);
  });
  const upstream: Upstream = {
    serversFor: () => [{ address: '127.0.0.1', port: socket.address().port }],
    timeoutMs: 1_000,
  };
  const clock = { now: 0 };
  const forwarding = new Forwarding({
    upstreamFor: async (name) => (name.endsWith('.corp.example') ? null : upstream),
    isForbidden: forbiddenAddresses({ overlay }, []),
    isPrivate,
    mayReach: (source, address) => source === device && address === '10.0.0.1',
    now: () => clock.now,
  });
  const ask = async (name: string, type = 'A', source = device, additionals: Records = []) => {
    const question = { type: type as 'A', name, class: 'IN' as const };
    const query = decode(
      encode({ type: 'query', id: 7, flags: RECURSION_DESIRED, questions: [question], additionals }),
    );
    const answer = await forwarding.answer(query, source, 'udp');
    return answer === null ? null : (decode(answer) as DecodedPacket & { rcode: string });
  };
  return { ask, asked, clock, forwarding };
}

const a = (name: string, data: string, ttl = 300): Records[number] => ({ type: 'A', name, ttl, data });
const dataOf = (packet: DecodedPacket | null) =>
  (packet?.answers ?? []).map((record) => ('data' in record ? record.data : ''));

test('a name of no resource is answered as the resolver answers, and shared for a while', async (t) => {
  const { ask, asked, clock, forwarding } = await start(t, (name) => [
    { type: 'CNAME', name, ttl: 300, data: 'host.example' },
    a('host.example', '203.0.113.5'),
  ]);
  const first = await ask('www.example');
  assert.deepEqual(dataOf(first), ['host.example', '203.0.113.5']);
  assert.deepEqual([first?.id, first?.rcode, first?.additionals], [7, 'NOERROR', []], 'no other records');
  clock.now = 30_000;
  const second = await ask('WWW.example', 'A', '100.64.0.10');
  assert.deepEqual(asked, ['www.example']);
  assert.deepEqual(
    second?.answers?.map((record) => ('ttl' in record ? record.ttl : null)),
    [30, 30],
    'never longer than the answer is kept',
  );
  clock.now = 61_000;
  await ask('www.example');
  assert.equal(asked.length, 2);
  forwarding.forget();
  await ask('www.example');
  assert.equal(asked.length, 3);
});

test('an answer never leads into the overlay, to this host, or to a private network out of reach', async (t) => {
  const all = [
    '100.64.0.1',
    '100.96.0.1',
    '127.0.0.1',
    '169.254.169.254',
    '0.0.0.0',
    '10.0.0.1',
    '10.0.0.2',
    '192.168.1.1',
  ];
  const { ask } = await start(t, (name) => [...all, '203.0.113.5'].map((data) => a(name, data)));
  assert.deepEqual(dataOf(await ask('rebind.example')), ['10.0.0.1', '203.0.113.5']);
  assert.deepEqual(dataOf(await ask('rebind.example', 'A', '100.64.0.10')), ['203.0.113.5'], 'another device');
});

test('records that could carry addresses unchecked get no data, and others that are not known no service', async (t) => {
  const { ask, asked } = await start(t, () => []);
  for (const type of ['UNKNOWN_64', 'UNKNOWN_65', 'APL']) {
    const answer = await ask('www.example', type);
    assert.deepEqual([answer?.rcode, answer?.answers], ['NOERROR', []], type);
  }
  for (const type of ['ANY', 'AXFR', 'NULL']) assert.equal((await ask('www.example', type))?.rcode, 'NOTIMP', type);
  assert.deepEqual(asked, []);
});

test('names of local use, of private addresses and of domains with own resolvers are not asked for', async (t) => {
  const { ask, asked } = await start(t, (name) => [{ type: 'PTR', name, ttl: 60, data: 'host.example' }]);
  for (const name of [
    'wpad',
    'printer.local',
    'x.onion',
    'db.internal',
    '1.1.168.192.in-addr.arpa',
    '9.0.64.100.in-addr.arpa',
  ])
    assert.equal((await ask(name, name.endsWith('arpa') ? 'PTR' : 'A'))?.rcode, 'NXDOMAIN', name);
  assert.equal((await ask('git.corp.example'))?.rcode, 'REFUSED');
  assert.deepEqual(asked, []);
  assert.deepEqual(dataOf(await ask('1.0.0.10.in-addr.arpa', 'PTR')), ['host.example'], 'an address in reach');
  assert.deepEqual(dataOf(await ask('5.113.0.203.in-addr.arpa', 'PTR')), ['host.example']);
});

test('a failure of the resolver is one for the device, and a missing name stays missing', async (t) => {
  assert.equal((await (await start(t, () => [], { code: 2 })).ask('www.example'))?.rcode, 'SERVFAIL');
  assert.equal((await (await start(t, () => [], { code: 5 })).ask('www.example'))?.rcode, 'SERVFAIL');
  assert.equal((await (await start(t, () => [], { code: 3 })).ask('www.example'))?.rcode, 'NXDOMAIN');
});

test('an answer too large for the device is marked, so that it asks over TCP', async (t) => {
  const { ask, forwarding } = await start(t, (name) => Array.from({ length: 40 }, (_, n) => a(name, `203.0.113.${n}`)));
  const small = await ask('big.example');
  assert.deepEqual([small?.flag_tc, small?.answers], [true, []]);
  const opt = { type: 'OPT' as const, name: '.' as const, udpPayloadSize: 4096, extendedRcode: 0 };
  const extended = await ask('big.example', 'A', device, [
    { ...opt, ednsVersion: 0, flags: 0, flag_do: false, options: [] },
  ]);
  assert.deepEqual([extended?.flag_tc, extended?.answers?.length, extended?.additionals?.length], [false, 40, 1]);
  const query = decode(encode({ type: 'query', id: 1, questions: [{ type: 'A', name: 'big.example', class: 'IN' }] }));
  assert.equal(decode((await forwarding.answer(query, device, 'tcp')) ?? Buffer.alloc(0)).answers?.length, 40);
});

test('one device may not keep others from asking', async (t) => {
  const silent = (name: string) => name.startsWith('n');
  const { ask, asked } = await start(t, (name) => [a(name, '203.0.113.5')], { silent });
  const flood = Array.from({ length: 200 }, (_, n) => ask(`n${n}.example`));
  assert.deepEqual(dataOf(await ask('www.example', 'A', '100.64.0.10')), ['203.0.113.5']);
  const answers = await Promise.all(flood);
  assert.equal(answers.filter((answer) => answer === null).length, 150);
  assert.equal(new Set(asked.filter(silent)).size, 50);
});

test('all devices together have so many questions under way', async (t) => {
  const { ask, asked } = await start(t, () => [], { silent: () => true });
  const flood = Array.from({ length: 400 }, (_, n) => ask(`n${n}.example`, 'A', `100.64.1.${n % 10}`));
  const answers = await Promise.all(flood);
  assert.equal(answers.filter((answer) => answer === null).length, 100);
  assert.ok(new Set(asked).size <= 300);
});

test('so many answers are kept, and long ones are not', async (t) => {
  const long = (name: string): Records =>
    Array.from({ length: 20 }, (_, n) => ({ type: 'TXT', name, ttl: 300, data: `${n}`.padEnd(250, 'x') }));
  const { ask, asked } = await start(t, (name) => (name.startsWith('long') ? long(name) : [a(name, '203.0.113.5')]));
  const timesAsked = async (name: string, type = 'A') => {
    const before = asked.length;
    await ask(name, type);
    return asked.length - before;
  };
  for (let n = 0; n <= 2_000; n++) assert.equal(await timesAsked(`n${n}.example`), 1);
  assert.deepEqual([await timesAsked('n1.example'), await timesAsked('n2000.example')], [0, 0]);
  assert.equal(await timesAsked('n0.example'), 1, 'the oldest one had to go');
  assert.equal(await timesAsked('long.example', 'TXT'), 1);
  assert.equal(await timesAsked('long.example', 'TXT'), 1);
});

test('names of networks are read, whole and in part', () => {
  assert.equal(reverseAddress('4.3.2.10.in-addr.arpa'), '10.2.3.4');
  assert.equal(reverseAddress('10.in-addr.arpa'), '10.0.0.0');
  assert.equal(reverseAddress('d.f.ip6.arpa'), 'fd00:0000:0000:0000:0000:0000:0000:0000');
  assert.equal(reverseAddress('www.example'), null);
  assert.ok(isAloof('wiki') && isAloof('a.local') && !isAloof('local.example'));
});
