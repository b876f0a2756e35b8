import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NewNames } from './new-names.ts';
import type { UpstreamAnswer } from './upstream.ts';

const found = (...addresses: string[]): UpstreamAnswer => ({ addresses, reason: null, ttl: 60 });
const missing: UpstreamAnswer = { addresses: [], reason: 'NXDOMAIN', ttl: 30 };

function open(zone: Readonly<Record<string, UpstreamAnswer | Error>>) {
  const state = { now: 1_000_000, asked: 0, requests: [] as string[] };
  const names = new NewNames({
    ask: async (name, type) => {
      state.asked++;
      const answer = zone[name] ?? missing;
      if (answer instanceof Error) throw answer;
      return type === 'A' ? answer : { ...missing, reason: 'NODATA' };
    },
    isForbidden: (address) => address.startsWith('127.'),
    now: () => state.now,
    request: (name, device) => state.requests.push(`${device} ${name}`),
  });
  const settled = () => new Promise((resolve) => setImmediate(resolve));
  return { state, names, settled };
}

test('a name that resolves is asked for once, and is there when its item has come', async () => {
  const { state, names, settled } = open({ wiki: found('10.0.0.1') });
  const both = Promise.all([names.find('wiki', 'd1'), names.find('wiki', 'd2')]);
  await settled();
  assert.deepEqual(state.requests, ['d1 wiki']);
  names.named('wiki', 'given');
  names.arrived((name) => name === 'wiki');
  assert.deepEqual(await both, [null, null]);
});

test('the item may come before the answer of the controller', async () => {
  const { names, settled } = open({ wiki: found('10.0.0.1') });
  const one = names.find('wiki', 'd1');
  await settled();
  names.arrived(() => true);
  names.named('wiki', 'given');
  assert.equal(await one, null);
});

test('a name without a usable address costs the controller nothing, and is remembered for a while', async () => {
  const { state, names } = open({ loop: found('127.0.0.1'), broken: new Error('no answer') });
  assert.equal(await names.find('nowhere', 'd1'), 'NXDOMAIN');
  assert.equal(await names.find('loop', 'd1'), 'NXDOMAIN');
  const { asked } = state;
  assert.equal(await names.find('nowhere', 'd2'), 'NXDOMAIN');
  assert.equal(state.asked, asked, 'from memory');
  assert.equal(await names.find('broken', 'd1'), 'SERVFAIL');
  state.now += 31_000;
  assert.equal(await names.find('nowhere', 'd1'), 'NXDOMAIN');
  assert.ok(state.asked > asked + 2, 'asked again');
  assert.deepEqual(state.requests, []);
});

test('the answer of the controller decides about the next queries', async () => {
  const zone = Object.fromEntries(['a', 'b', 'c', 'd'].map((name) => [name, found('10.0.0.1')]));
  const { state, names, settled } = open(zone);
  const ask = async (name: string, outcome: Parameters<NewNames['named']>[1], device = 'd1') => {
    const answer = names.find(name, device);
    await settled();
    names.named(name, outcome);
    return answer;
  };
  assert.equal(await ask('a', 'none'), 'REFUSED');
  assert.equal(await ask('b', 'away'), 'SERVFAIL');
  assert.equal(await ask('b', 'full'), 'SERVFAIL');
  assert.equal(await ask('c', 'later'), 'SERVFAIL');
  const { length } = state.requests;
  assert.deepEqual([await names.find('a', 'd1'), await names.find('d', 'd1')], ['REFUSED', 'SERVFAIL']);
  assert.equal(state.requests.length, length, 'neither was asked for');
  names.arrived((name) => name === 'd');
  assert.equal(await ask('d', 'none', 'd2'), 'REFUSED', 'another device does not rest');
});

test('ten thousand names of a device are few requests', async () => {
  const zone = new Proxy({}, { get: () => found('10.0.0.1') });
  const { state, names, settled } = open(zone);
  const answers = Array.from({ length: 10_000 }, (_, n) => names.find(`n${n}`, 'd1'));
  await settled();
  assert.equal(state.requests.length, 20);
  for (let n = 0; n < 20; n++) names.named(`n${n}`, 'later');
  assert.deepEqual(new Set(await Promise.all(answers)), new Set(['SERVFAIL']));
  const others = Array.from({ length: 100 }, (_, n) => names.find(`n${n}`, `d${n + 2}`));
  await settled();
  assert.equal(state.requests.length, 50, 'of all devices together');
  for (let n = 0; n < 100; n++) names.named(`n${n}`, 'away');
  await Promise.all(others);
});

test('so many missing names are remembered', async () => {
  const { state, names } = open({});
  for (let n = 0; n <= 2_000; n++) assert.equal(await names.find(`n${n}`, 'd1'), 'NXDOMAIN');
  const timesAsked = async (name: string) => {
    const before = state.asked;
    await names.find(name, 'd1');
    return state.asked - before;
  };
  assert.deepEqual([await timesAsked('n1'), await timesAsked('n2000')], [0, 0]);
  assert.equal(await timesAsked('n0'), 2, 'the oldest one had to go');
});
