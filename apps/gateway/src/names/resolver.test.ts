import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { bundleItem, classItem, deviceItem, gatewayItem, profileItem } from '@sallyport/agent-core/testing';
import type { NameItem, StateItem } from '@sallyport/contract/channel';
import { until } from '@sallyport/testkit';
import { decode, encode, type Packet } from 'dns-packet';
import { answerQuery } from './answer.ts';
import { Asking } from './asking.ts';
import { forbiddenAddresses } from './forbidden.ts';
import { type NameState, Resolver } from './resolver.ts';
import type { AddressType, UpstreamAnswer } from './upstream.ts';

const name = (id: string, n: number): NameItem => ({
  ...{ kind: 'name', key: `name/${id}`, id, addresses: [`100.96.0.${n}`, `fd00:5a11:0:ffff::${n}`] },
  resources: [],
});
const found = (addresses: readonly string[], ttl = 30): UpstreamAnswer => ({ addresses, reason: null, ttl });
const none: UpstreamAnswer = { addresses: [], reason: 'NXDOMAIN', ttl: 0 };
const silent = new Error('192.0.2.53 does not answer');

function open(t: TestContext, remembered: ReadonlyMap<string, NameState> = new Map()) {
  const answers: Record<AddressType, UpstreamAnswer | Error> = { A: none, AAAA: none };
  const world: { now: number; changes: number; asked: number; denied?: string[] } = {
    now: 1_000_000,
    changes: 0,
    asked: 0,
  };
  const resolver = new Resolver(
    {
      ask: async (_name, type) => {
        world.asked += 1;
        const answer = answers[type];
        if (answer instanceof Error) throw answer;
        return answer;
      },
      isForbidden: (address) =>
        forbiddenAddresses({ ...gatewayItem(), ...(world.denied && { deniedRanges: world.denied }) }, ['10.20.0.1'])(
          address,
        ),
      now: () => world.now,
      changed: () => {
        world.changes += 1;
      },
    },
    remembered,
  );
  t.after(() => resolver.stop());
  const translation = () => Object.fromEntries(resolver.translation ?? []);
  return { answers, world, resolver, translation };
}

test('each family is translated, an address in use stays, and a forbidden one is none', async (t) => {
  const { answers, resolver, translation } = open(t);
  answers.A = found(['10.0.0.2', '10.0.0.3', '127.0.0.1', '10.20.0.1', '100.64.0.9', '100.96.0.9']);
  answers.AAAA = found(['fd00:5a11::9', '::1', 'fe80::1', '::ffff:10.0.0.1']);
  resolver.expect([name('wiki', 1)]);
  await resolver.refreshAll();
  assert.deepEqual(translation(), { '100.96.0.1': '10.0.0.2' });
  answers.A = found(['10.0.0.1', '10.0.0.2']);
  await resolver.refreshAll();
  assert.deepEqual(translation(), { '100.96.0.1': '10.0.0.2' });
  answers.A = found(['10.0.0.1']);
  answers.AAAA = found(['2001:db8::1']);
  await resolver.refreshAll();
  assert.deepEqual(translation(), { '100.96.0.1': '10.0.0.1', 'fd00:5a11:0:ffff::1': '2001:db8::1' });
  answers.A = found(['127.0.0.1']);
  answers.AAAA = none;
  await resolver.refreshAll();
  assert.deepEqual(translation(), {});
  assert.match(resolver.states().get('wiki')?.fault ?? '', /127\.0\.0\.1, which no name may have/);
});

test('an address that a policy denies by now is left at once, and taken again when it no longer does', async (t) => {
  const { answers, world, resolver, translation } = open(t);
  answers.A = found(['10.0.0.2', '10.0.0.3']);
  resolver.expect([name('wiki', 1)]);
  await resolver.refreshAll();
  world.denied = ['10.0.0.0-10.0.0.2'];
  resolver.recheck();
  assert.deepEqual(translation(), { '100.96.0.1': '10.0.0.3' });
  world.denied = ['10.0.0.0-10.0.0.255'];
  const { changes } = world;
  resolver.recheck();
  assert.deepEqual(translation(), {});
  assert.ok(world.changes > changes);
  assert.match(resolver.states().get('wiki')?.fault ?? '', /10\.0\.0\.3, which no name may have/);
  const again = new Map(resolver.states());
  delete world.denied;
  resolver.recheck();
  await until('the address again', () => translation()['100.96.0.1'] === '10.0.0.2');
  assert.equal(again.get('wiki')?.A?.addresses.length, 0);
});

test('an answer of an earlier process does not lead to what is denied now', (t) => {
  const remembered: NameState = { A: { addresses: ['10.0.0.1'], at: 1_000_000 }, AAAA: null, fault: null };
  const { world, resolver, translation } = open(t, new Map([['wiki', remembered]]));
  world.denied = ['10.0.0.1-10.0.0.1'];
  resolver.expect([name('wiki', 1)]);
  assert.deepEqual(translation(), {});
});

test('the last answer lasts a day without a resolver, an answer that there is none does not wait', async (t) => {
  const { answers, world, resolver, translation } = open(t);
  answers.A = found(['10.0.0.1']);
  resolver.expect([name('wiki', 1)]);
  await resolver.refreshAll();
  answers.A = silent;
  answers.AAAA = silent;
  world.now += 23 * 3_600_000;
  await resolver.refreshAll();
  assert.deepEqual(translation(), { '100.96.0.1': '10.0.0.1' });
  world.now += 3_600_001;
  await resolver.refreshAll();
  assert.deepEqual(translation(), {});
  assert.match(resolver.states().get('wiki')?.fault ?? '', /could not be resolved: 192\.0\.2\.53 does not answer/);
  answers.A = found(['10.0.0.1']);
  answers.AAAA = none;
  await resolver.refreshAll();
  assert.deepEqual(translation(), { '100.96.0.1': '10.0.0.1' });
  answers.A = none;
  await resolver.refreshAll();
  assert.deepEqual(translation(), {});
});

test('a new process translates as the old one did, before any resolver has answered', (t) => {
  const state: NameState = { A: { addresses: ['10.0.0.1'], at: 999_999 }, AAAA: null, fault: null };
  const { answers, resolver, translation } = open(t, new Map([['wiki', state]]));
  answers.A = silent;
  resolver.expect([name('wiki', 1), name('docs', 2)]);
  assert.deepEqual(translation(), { '100.96.0.1': '10.0.0.1' });
  resolver.expect([]);
  assert.equal(resolver.translation, null);
});

test('an answer that says the same changes nothing, and names are asked for a bounded number at a time', async (t) => {
  const { answers, world, resolver } = open(t);
  answers.A = found(['10.0.0.1']);
  resolver.expect(Array.from({ length: 200 }, (_, n) => name(`n${n}`, n % 250)));
  await until('all names', () => world.changes === 200);
  assert.equal(world.asked, 400);
  await resolver.refreshAll();
  assert.equal(world.changes, 200);
});

test('new flows go to an address that answers, and stay there when the first one is back', async (t) => {
  const { answers, world, resolver, translation } = open(t);
  answers.A = found(['10.0.0.1', '10.0.0.2', '10.0.0.3']);
  resolver.expect([name('wiki', 1)]);
  await resolver.refreshAll();
  const { changes } = world;
  resolver.note('wiki', '10.0.0.2', false);
  assert.equal(translation()['100.96.0.1'], '10.0.0.1');
  resolver.note('wiki', '10.0.0.1', false);
  assert.equal(translation()['100.96.0.1'], '10.0.0.3');
  assert.ok(world.changes > changes);
  await resolver.refreshAll();
  assert.equal(translation()['100.96.0.1'], '10.0.0.3', 'a new answer does not forget it');
  resolver.note('wiki', '10.0.0.1', true);
  assert.equal(translation()['100.96.0.1'], '10.0.0.3');
  for (const each of ['10.0.0.3', '10.0.0.1', '10.0.0.2']) resolver.note('wiki', each, false);
  assert.notEqual(translation()['100.96.0.1'], undefined, 'one that is silent is better than none');
  resolver.note('other', '10.0.0.1', false);
});

test('all names are asked for again when other resolvers may answer, also one that is being asked for', async (t) => {
  const { answers, resolver, translation } = open(t);
  answers.A = found(['10.0.0.1']);
  resolver.expect([name('wiki', 1), name('docs', 2)]);
  answers.A = found(['10.0.0.2']);
  resolver.renew();
  await until('the answer of the other resolver', () => Object.values(translation()).join() === '10.0.0.2,10.0.0.2');
  answers.A = found(['10.0.0.3']);
  resolver.renew();
  await until('the answer of the third', () => Object.values(translation()).join() === '10.0.0.3,10.0.0.3');
});

const items = new Map<string, StateItem>(
  [
    gatewayItem(),
    deviceItem(1),
    deviceItem(2, { profile: null }),
    deviceItem(3, { expiresAt: 500 }),
    name('wiki', 1),
    name('vault', 2),
    name('window', 3),
    profileItem('p1', [
      { class: 'c1', bundle: 'b1', expiresAt: null },
      { class: 'c3', bundle: 'b1', expiresAt: 500 },
    ]),
    classItem('c1', ['100.96.0.1-100.96.0.1']),
    classItem('c3', ['100.96.0.3-100.96.0.3']),
    bundleItem('b1', [{ protocol: 'tcp', from: 80, to: 80, policy: 'p' }]),
  ].map((item) => [item.key, item]),
);

test('a device asks for the names that its profile opens at the moment', () => {
  const asking = new Asking();
  asking.expect({ kind: 'load', items, leaseUntil: 0, retimed: false });
  const may = (n: number, asked: string, now = 0) => asking.mayAsk(`100.64.1.${n}`, asked, now);
  assert.deepEqual([may(1, 'wiki'), may(1, 'vault'), may(1, 'other'), may(1, 'window')], [true, false, false, true]);
  assert.deepEqual(
    [may(1, 'window', 500), may(2, 'wiki'), may(3, 'wiki'), may(3, 'wiki', 500)],
    [false, false, true, false],
  );
  assert.deepEqual([may(9, 'wiki'), asking.knows('100.64.1.2'), asking.knows('192.0.2.1')], [false, true, false]);
});

test('a query gets virtual addresses alone, and anything odd gets a refusal or nothing', async () => {
  const state: NameState = { A: { addresses: ['10.0.0.1'], at: 0 }, AAAA: { addresses: [], at: 0 }, fault: null };
  const parts = {
    obtain: async (_source: string, asked: string) => (asked === 'gone' ? ('SERVFAIL' as const) : null),
    mayAsk: (_source: string, asked: string) => asked === 'wiki',
    virtual: () => ['100.96.0.1', 'fd00::1'],
    lookUp: async () => state,
  };
  const ask = async (packet: Partial<Packet>) => {
    const query = encode({ type: 'query', id: 7, flags: 0x100, ...packet });
    const answer = await answerQuery(query, '100.64.1.1', parts);
    const read = decode(answer ?? Buffer.alloc(0)) as ReturnType<typeof decode> & { rcode: string };
    assert.equal(read.id, 7);
    return [read.rcode, ...(read.answers ?? []).map((record) => ('data' in record ? record.data : ''))];
  };
  const question = (asked: string, type = 'A') => ({ questions: [{ name: asked, type }] }) as Partial<Packet>;
  assert.deepEqual(await ask(question('WIKI.')), ['NOERROR', '100.96.0.1']);
  assert.deepEqual(await ask(question('wiki', 'AAAA')), ['NOERROR'], 'no address in a family without a real one');
  for (const type of ['UNKNOWN_65', 'UNKNOWN_64', 'MX', 'TXT', 'PTR', 'SRV'])
    assert.deepEqual(await ask(question('wiki', type)), ['NOERROR']);
  assert.deepEqual(await ask(question('vault')), ['REFUSED']);
  assert.deepEqual(await ask(question('gone')), ['SERVFAIL']);
  assert.deepEqual(await ask(question('use-application-dns.net')), ['NXDOMAIN']);
  assert.deepEqual(
    await ask({ questions: [...(question('wiki').questions ?? []), ...(question('a').questions ?? [])] }),
    ['FORMERR'],
  );
  assert.deepEqual(await ask({}), ['FORMERR']);
  assert.deepEqual(await ask({ ...question('wiki'), flags: 0x100 | (4 << 11) }), ['NOTIMP'], 'a notification');
  const valid = encode({ type: 'query', id: 7, ...question('wiki') });
  for (let size = 0; size < valid.length; size++)
    assert.ok((await answerQuery(valid.subarray(0, size), 'x', parts).catch(() => null)) !== undefined);
  assert.equal(await answerQuery(encode({ type: 'response', ...question('wiki') }), 'x', parts), null);
});
