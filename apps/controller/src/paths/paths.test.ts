import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import type { StateItem } from '@sallyport/contract/channel';
import pino from 'pino';
import type { Mapping } from '../beacon/mappings.ts';
import { until } from '../channel/testing/manual-time.ts';
import type { AgentRef, DesiredState } from '../channel/types.ts';
import { bySystem } from '../db/contexts.ts';
import { absent, present } from '../testing/channel.ts';
import { openTestApp, type TestApp } from '../testing/harness.ts';
import { Paths } from './paths.ts';

const publicKey = (n: number) => Buffer.alloc(32, n).toString('base64');
let keys = 1;

interface Tested {
  readonly app: TestApp;
  readonly paths: Paths;
  readonly mappings: Map<string, Mapping>;
  gateway(name: string, facts?: object): Promise<string>;
  device(native?: boolean): Promise<string>;
  /** Lets an agent's state have this peer. */
  connect(agent: string, peer: string): void;
  find(agent: string, peer: string, relay?: boolean): Promise<void>;
  pairs(): Promise<{ a: string; b: string; relay_id: string; port: number; needed_at: number }[]>;
}

async function open(t: TestContext, others = false): Promise<Tested> {
  const app = await openTestApp(t);
  const mappings = new Map<string, Mapping>();
  const peers = new Map<string, StateItem[]>();
  const states = {
    // Policies are compiled elsewhere; here a state is who is a peer of whom.
    current: async (agent: string): Promise<DesiredState> => {
      const items = peers.get(agent) ?? [];
      return { revision: { epoch: 'e', number: items.length }, hash: String(items.length), items: () => items };
    },
  };
  const paths = new Paths({
    store: app.store,
    channel: app.channel,
    states,
    worlds: app.app.runtimes,
    mapping: (agent) => mappings.get(agent) ?? { kind: 'undecided' },
    shared: () => others,
    log: pino({ level: 'silent' }),
  });
  t.after(() => paths.stop());
  const gateway = async (name: string, facts: object = {}) => {
    const { json } = await app.request('POST', '/tenants/gateways', { body: { name, wireguardPort: '51820' } });
    const row = { wireguard_key: publicKey(keys++), ...facts };
    await put(app, 'gateway', json.id, row);
    app.channel.presences.set(json.id, present);
    return json.id as string;
  };
  const device = async (native = true) => {
    const { json } = await app.request('POST', '/tenants/devices', {
      body: { name: 'd', publicKey: publicKey(keys++) },
    });
    if (native) await put(app, 'device', json.id, { identity_key: 'x' });
    app.channel.presences.set(json.id, present);
    return json.id as string;
  };
  return {
    app,
    paths,
    mappings,
    gateway,
    device,
    connect: (agent, peer) => {
      const item = { kind: 'peer', key: `peer/${peer}`, id: peer } as StateItem;
      peers.set(agent, [...(peers.get(agent) ?? []), item]);
    },
    find: async (agent, peer, relay = false) => {
      app.clock.now += 1000;
      await paths.find(agentOf(app, agent), { peer, relay });
    },
    pairs: () =>
      app.store.db
        .selectFrom('relay_pairs')
        .select(['a', 'b', 'relay_id', 'port', 'needed_at'])
        .orderBy('id')
        .execute(),
  };
}

/** What no request does: facts in a row, and the commit that tells of them. */
async function put(app: TestApp, kind: 'gateway' | 'device', id: string, facts: object): Promise<void> {
  await app.store.write(bySystem(app.tenant.id, 'test'), async (tx) => {
    await tx.scoped.updateTable(`${kind}s`).set(facts).where('id', '=', id).execute();
    tx.changed({ kind, id, op: 'update' });
  });
}

const agentOf = (app: TestApp, id: string): AgentRef => ({ role: 'device', id, tenant: app.tenant.id });

const relaying = { relay_enabled: 1, endpoint: '192.0.2.1:51820', relay_from: 52000, relay_to: 52002 };
const seen = (endpoint: string): Mapping => ({ kind: 'independent', endpoint });

test('both agents are told to send to the place where the other is seen; a question comes through the channel', async (t) => {
  const { app, paths, mappings, gateway, device, connect } = await open(t);
  const [g, d] = [await gateway('g', { endpoint: 'vpn.example.com' }), await device()];
  connect(d, g);
  mappings.set(d, seen('198.51.100.7:4500'));
  mappings.set(g, seen('203.0.113.1:51820'));
  app.channel.findPath(agentOf(app, d), { peer: g, relay: false });
  await until(() => app.channel.punches.length === 2, 'both are told');
  assert.deepEqual(app.channel.punches, [
    [g, d, ['198.51.100.7:4500']],
    [d, g, ['203.0.113.1:51820', 'vpn.example.com:51820']],
  ]);
  assert.equal(paths.counters.punches, 2);
});

test('an agent without an endpoint causes no message to the peer; the row counts until the beacon sees the agent', async (t) => {
  const { app, mappings, gateway, device, connect, find } = await open(t);
  const [g, d] = [await gateway('g', { endpoint: 'vpn.example.com' }), await device()];
  connect(d, g);
  await find(d, g);
  assert.equal(app.channel.punches.length, 0);
  await put(app, 'device', d, { mapped_endpoint: '192.0.2.9:9' });
  mappings.set(d, { kind: 'dependent' });
  await find(d, g);
  assert.equal(app.channel.punches.length, 0);
  mappings.delete(d);
  await find(d, g);
  assert.deepEqual(app.channel.punches[0], [g, d, ['192.0.2.9:9']]);
  app.channel.presences.set(g, absent);
  await find(d, g);
  assert.equal(app.channel.punches.length, 2);
});

test('a request is served again when the beacon soon sees either end for the first time or elsewhere', async (t) => {
  const { app, paths, mappings, gateway, device, connect, find } = await open(t);
  const [g, d] = [await gateway('g'), await device()];
  connect(d, g);
  await find(d, g);
  assert.equal(app.channel.punches.length, 0);
  mappings.set(d, seen('198.51.100.7:4500'));
  await paths.mapped(d);
  assert.deepEqual(app.channel.punches, [[g, d, ['198.51.100.7:4500']]]);
  mappings.set(g, seen('203.0.113.1:49772'));
  await paths.mapped(g);
  assert.deepEqual(app.channel.punches.slice(1), [
    [g, d, ['198.51.100.7:4500']],
    [d, g, ['203.0.113.1:49772']],
  ]);
  app.clock.now += 3_001;
  for (const end of [d, g]) await paths.mapped(end);
  assert.equal(app.channel.punches.length, 3);
});

test('moves of an agent that moves with every packet are told at intervals', async (t) => {
  const { app, paths, mappings, gateway, device, connect, find } = await open(t);
  const d = await device();
  for (const g of [await gateway('g'), await gateway('h')]) {
    connect(d, g);
    await find(d, g);
  }
  for (let port = 1; port <= 100; port++) {
    mappings.set(d, seen(`198.51.100.7:${port}`));
    await paths.mapped(d);
  }
  assert.equal(app.channel.punches.length, 2);
  app.clock.now += 450;
  await paths.mapped(d);
  assert.deepEqual(app.channel.punches[2]?.[2], ['198.51.100.7:100']);
});

test('strangers learn nothing and cause no messages, and repeated requests are limited', async (t) => {
  const { app, paths, mappings, gateway, device, connect, find, pairs } = await open(t);
  const [g, d] = [await gateway('g', { endpoint: 'vpn.example.com' }), await device()];
  await gateway('relay', relaying);
  mappings.set(d, seen('198.51.100.7:4500'));
  await find(d, g, true);
  await find(d, randomUUID(), true);
  assert.deepEqual([app.channel.punches.length, await pairs()], [0, []]);
  connect(d, g);
  await find(d, g);
  await paths.find(agentOf(app, d), { peer: g, relay: false });
  assert.deepEqual(paths.counters.requests, { served: 1, rate: 1, stranger: 2 });
  await paths.find(agentOf(app, d), { peer: g, relay: true });
  assert.equal((await pairs()).length, 1);
});

test('a pair gets the relay with the smallest sum of times and a port of its own, never the first', async (t) => {
  const { app, gateway, device, connect, find, pairs } = await open(t);
  const [near, far] = [await gateway('near', relaying), await gateway('far', relaying)];
  const g = await gateway('g');
  const devices = [await device(), await device(), await device()];
  for (const d of devices) {
    connect(d, g);
    app.channel.times.set(
      d,
      new Map([
        [near, 40],
        [far, 30],
      ]),
    );
  }
  app.channel.times.set(
    g,
    new Map([
      [near, 5],
      [far, 50],
    ]),
  );
  const revision = async () =>
    (
      await app.store.db
        .selectFrom('tenants')
        .select('revision')
        .where('id', '=', app.tenant.id)
        .executeTakeFirstOrThrow()
    ).revision;
  const before = await revision();
  for (const d of devices) await find(d, g, true);
  const made = await pairs();
  assert.equal(await revision(), before + 3);
  assert.deepEqual(made.map(({ relay_id }) => relay_id).sort(), [near, near, far].sort());
  assert.deepEqual(new Set(made.map(({ relay_id, port }) => `${relay_id} ${port}`)).size, 3);
  for (const { a, b, port } of made) assert.ok(a < b && port > 52000 && port <= 52002);

  for (const d of devices) await find(g, d, true);
  assert.deepEqual(await pairs(), made, 'the gateway may not ask for devices that are no peers of it');
  connect(g, devices[0] ?? '');
  await find(g, devices[0] ?? '', true);
  assert.deepEqual([(await pairs()).length, await revision()], [3, before + 3]);
});

test('a deleted relay is replaced, one that is slow to return is kept, and ports run out', async (t) => {
  const { app, paths, gateway, device, connect, find, pairs } = await open(t);
  const [first, second] = [await gateway('1', relaying), await gateway('2', relaying)];
  const g = await gateway('g');
  const d = await device();
  connect(d, g);
  app.channel.presences.set(second, absent);
  await find(d, g, true);
  const [pair] = await pairs();
  assert.equal(pair?.relay_id, first);
  app.channel.presences.set(first, { ...absent, alive: true, lastSeen: app.clock.now });
  app.channel.presences.set(second, present);
  await find(d, g, true);
  assert.equal((await pairs())[0]?.relay_id, first);
  app.channel.presences.set(first, { ...absent, lastSeen: app.clock.now });
  await find(d, g, true);
  assert.deepEqual(
    (await pairs()).map(({ relay_id }) => relay_id),
    [second],
  );

  for (let n = 0; n < 2; n++) {
    const another = await device();
    connect(another, g);
    await find(another, g, true);
  }
  assert.deepEqual(paths.counters.relays, { kept: 1, allocated: 3, exhausted: 1, none: 0, gone: 0, away: 0 });
});

test('pairs of a relay that drains move to another one, and stay while there is none', async (t) => {
  const { app, paths, gateway, device, connect, find, pairs } = await open(t);
  const first = await gateway('1', relaying);
  const g = await gateway('g');
  const d = await device();
  connect(d, g);
  await find(d, g, true);
  const relays = async () => (await pairs()).map(({ relay_id }) => relay_id);
  await paths.sweep();
  assert.deepEqual(await relays(), [first]);
  await put(app, 'gateway', first, { intent: 'MAINTENANCE' });
  await paths.sweep();
  assert.deepEqual(await relays(), [first], 'nothing else could relay');
  const second = await gateway('2', relaying);
  await paths.sweep();
  assert.deepEqual(await relays(), [second]);
  await put(app, 'gateway', first, { intent: 'ACTIVE' });
  await paths.sweep();
  assert.deepEqual(await relays(), [second], 'it does not come back');
});

test('a request for an absent peer takes no port of a relay, and keeps an existing pair', async (t) => {
  const { app, paths, gateway, device, connect, find, pairs } = await open(t);
  await gateway('relay', relaying);
  const g = await gateway('g');
  const [first, second] = [await device(), await device()];
  for (const d of [first, second]) connect(d, g);
  await find(first, g, true);
  app.channel.presences.set(g, { ...absent, lastSeen: app.clock.now });
  for (const d of [first, second]) await find(d, g, true);
  assert.deepEqual(
    (await pairs()).map(({ a, b }) => [a, b].includes(first)),
    [true],
  );
  assert.equal(paths.counters.relays.away, 2);
  app.channel.presences.set(g, present);
  await find(second, g, true);
  assert.equal((await pairs()).length, 2);
});

test('a relay that does not answer both ends gives way to one that does, after a trial', async (t) => {
  const { app, gateway, device, connect, find, pairs } = await open(t);
  const silent = await gateway('1', relaying);
  const g = await gateway('g');
  const d = await device();
  connect(d, g);
  await find(d, g, true);
  const answering = await gateway('2', relaying);
  for (const end of [d, g]) app.channel.times.set(end, new Map([[answering, 20]]));
  await find(d, g, true);
  assert.equal((await pairs())[0]?.relay_id, silent);
  app.clock.now += 15_000;
  await find(d, g, true);
  assert.equal((await pairs())[0]?.relay_id, answering);
});

test('a plain device, and a relay that is one of the ends, off duty or nowhere, get no pair', async (t) => {
  const { paths, gateway, device, connect, find, pairs } = await open(t);
  const g = await gateway('g', relaying);
  const [plain, native] = [await device(false), await device()];
  for (const d of [plain, native]) {
    connect(g, d);
    await find(g, d, true);
  }
  await gateway('drains', { ...relaying, intent: 'MAINTENANCE' });
  await gateway('nowhere', { ...relaying, endpoint: null });
  await gateway('off', { ...relaying, relay_enabled: 0 });
  await find(g, native, true);
  assert.deepEqual([await pairs(), paths.counters.relays.none], [[], 2]);
});

test('pairs without a request for a day end, unless they carry traffic; pairs of deleted ends go at once', async (t) => {
  const { app, paths, gateway, device, connect, find, pairs } = await open(t);
  const relay = await gateway('relay', { ...relaying, relay_to: 52999 });
  const g = await gateway('g');
  const [used, unused, deleted] = [await device(), await device(), await device()];
  for (const d of [used, unused, deleted]) {
    connect(d, g);
    await find(d, g, true);
  }
  await app.request('DELETE', `/tenants/devices/${deleted}`);
  assert.equal((await pairs()).length, 2);
  app.channel.pathReports.set(used, [{ peer: g, via: relay, rttMs: 30 }]);
  app.clock.now += 25 * 3600 * 1000;
  await paths.sweep();
  const left = await pairs();
  assert.deepEqual(
    left.map(({ a, b }) => [a, b].includes(used)),
    [true],
  );
  assert.equal(left[0]?.needed_at, app.clock.now);
});

test('with other processes, a pair that carries traffic there stays, and an unused one ends somewhat later', async (t) => {
  const { app, paths, gateway, device, connect, find, pairs } = await open(t, true);
  await gateway('relay', { ...relaying, relay_to: 52999 });
  const g = await gateway('g');
  const [elsewhere, unused] = [await device(), await device()];
  for (const d of [elsewhere, unused]) {
    connect(d, g);
    await find(d, g, true);
  }
  app.clock.now += 24 * 3600 * 1000 + 600_000;
  await paths.sweep();
  assert.equal((await pairs()).length, 2, 'this process knows no path through it');
  const [a, b] = [elsewhere, g].sort();
  await app.store.db
    .updateTable('relay_pairs')
    .set({ needed_at: app.clock.now })
    .where('a', '=', a ?? '')
    .where('b', '=', b ?? '')
    .execute();
  app.clock.now += 3600_000;
  await paths.sweep();
  assert.deepEqual(
    (await pairs()).map((pair) => [pair.a, pair.b]),
    [[a, b]],
  );
});

test('the WireGuard port of a relay is no port of a pair', async (t) => {
  const { gateway, device, connect, find, pairs } = await open(t);
  await gateway('relay', { ...relaying, relay_from: 51819, relay_to: 51821 });
  const g = await gateway('g');
  for (const d of [await device(), await device()]) {
    connect(d, g);
    await find(d, g, true);
  }
  assert.deepEqual(
    (await pairs()).map(({ port }) => port),
    [51821],
  );
});

test('a pair that is requested during the sweep stays', async (t) => {
  const { app, paths, gateway, device, connect, find, pairs } = await open(t);
  await gateway('relay', relaying);
  const [g, d] = [await gateway('g'), await device()];
  connect(d, g);
  await find(d, g, true);
  app.clock.now += 25 * 3600 * 1000;
  const sweep = paths.sweep();
  await Promise.all([sweep, paths.find(agentOf(app, d), { peer: g, relay: true })]);
  assert.deepEqual(
    (await pairs()).map(({ needed_at }) => needed_at),
    [app.clock.now],
  );
});

test('the metrics count the work of the beacon and of paths', async (t) => {
  const { app, gateway, device } = await open(t);
  const [g, d] = [await gateway('g'), await device()];
  app.channel.findPath(agentOf(app, d), { peer: g, relay: true });
  const refused = /^sallyport_path_requests_total\{outcome="stranger"\} 1$/m;
  while (!refused.test(await app.metrics())) await new Promise((resolve) => setImmediate(resolve));
  const text = await app.metrics();
  for (const row of [
    'sallyport_beacon_handshakes_total 0',
    'sallyport_beacon_agents{mapping="independent"} 0',
    'sallyport_path_punches_total 0',
    'sallyport_relay_requests_total{outcome="exhausted"} 0',
  ])
    assert.ok(text.includes(`\n${row}\n`), row);
});

test('what an end has measured at another process is asked for before a relay is chosen', async (t) => {
  const { app, gateway, device, connect, find, pairs } = await open(t);
  const near = await gateway('1', relaying);
  const far = await gateway('2', relaying);
  const g = await gateway('g');
  const d = await device();
  connect(d, g);
  app.channel.times.set(
    d,
    new Map([
      [near, 5],
      [far, 80],
    ]),
  );
  t.mock.method(app.channel, 'gather', async (ends: readonly string[], kind: string) => {
    assert.deepEqual([new Set(ends), kind], [new Set([d, g]), 'paths']);
    app.channel.times.set(
      g,
      new Map([
        [near, 500],
        [far, 5],
      ]),
    );
  });
  await find(d, g, true);
  assert.deepEqual(
    (await pairs()).map(({ relay_id }) => relay_id),
    [far],
  );
});
