import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { type TestContext, test } from 'node:test';
import { CompiledQuery } from 'kysely';
import { until } from '../channel/testing/manual-time.ts';
import type { GatewayFacts } from '../channel/types.ts';
import { createSecretBox } from '../secrets/box.ts';
import { openTestApp, openTestStore, type TestApp, testPostgres } from '../testing/harness.ts';
import { Beacon, type BeaconDeps } from './beacon.ts';
import { loadBeaconKeys } from './keys.ts';
import { Knocker } from './testing/knocker.ts';

const publicKeys = ['yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk='];
const box = createSecretBox(Buffer.alloc(32, 7));

interface Tested {
  readonly app: TestApp;
  readonly beacon: Beacon;
  readonly keys: BeaconDeps['keys'];
  readonly base: number;
  /** What was told of gateways. */
  readonly told: (readonly [string, GatewayFacts])[];
  readonly warnings: string[];
  readonly connected: Set<string>;
  knocker(address?: string): Promise<Knocker>;
  /** Handshakes at both ports from where it is. */
  greet(knocker: Knocker): Promise<void>;
}

async function openBeacon(t: TestContext, settings: Partial<BeaconDeps> = {}): Promise<Tested> {
  const app = await openTestApp(t);
  const keys = await loadBeaconKeys(app.store, box);
  const told: Tested['told'] = [];
  const warnings: string[] = [];
  const connected = new Set<string>();
  const beacon = new Beacon({
    keys,
    listen: { host: '127.0.0.1', port: 0 },
    endpoint: null,
    store: app.store,
    directory: { observed: async (id, facts) => void told.push([id, facts]) },
    judged: (tenant, agent, mapping) =>
      app.app.runtimes.deviceMapped(tenant, agent, mapping.kind === 'independent' ? mapping.endpoint : null),
    mapped: () => {},
    connected: (agent) => connected.has(agent),
    log: { info: () => {}, warn: (_, text) => warnings.push(text) },
    ...settings,
  });
  await beacon.listen();
  t.after(() => beacon.stop());
  const base = beacon.port ?? 0;
  const knockers: Knocker[] = [];
  t.after(() => Promise.all(knockers.map((knocker) => knocker.close())));
  const greet = async (knocker: Knocker) => {
    for (const [index, { publicKey }] of keys.ports.entries()) {
      const session = await knocker.initiate(base + index, publicKey);
      assert.ok(session !== null, `port ${index} answers`);
      knocker.keepalive(session, base + index);
    }
  };
  const knocker = async (address?: string) => {
    const made = await Knocker.open(address);
    knockers.push(made);
    return made;
  };
  return { app, beacon, keys, base, told, warnings, connected, knocker, greet };
}

async function gatewayWith(app: TestApp, publicKey: string): Promise<string> {
  const { json } = await app.request('POST', '/tenants/gateways', { body: { name: 'Berlin', wireguardPort: '51820' } });
  await app.store.db.updateTable('gateways').set({ wireguard_key: publicKey }).where('id', '=', json.id).execute();
  return json.id;
}

async function deviceWith(app: TestApp, publicKey: string, native: boolean): Promise<string> {
  const { json } = await app.request('POST', '/tenants/devices', { body: { name: 'laptop', publicKey } });
  const facts = { identity_key: native ? publicKeys[0] : null };
  await app.store.db.updateTable('devices').set(facts).where('id', '=', json.id).execute();
  return json.id;
}

test('a gateway that both ports see in one place has its endpoint published, and is followed when it moves', async (t) => {
  const { app, beacon, keys, base, told, knocker, greet } = await openBeacon(t);
  const agent = await knocker();
  const gateway = await gatewayWith(app, agent.publicKey);
  await greet(agent);
  await until(() => told.length === 1, 'the endpoint is published');
  assert.deepEqual(told, [[gateway, { discoveredEndpoint: agent.endpoint, mappingIndependent: true }]]);
  assert.deepEqual(beacon.kinds(), { undecided: 0, independent: 1, dependent: 0 });

  const session = await agent.initiate(base, keys.ports[0].publicKey);
  assert.ok(session !== null);
  await agent.move('127.0.0.2');
  agent.keepalive(session, base);
  await until(() => told.length === 2, 'the move is noticed with the next packet');
  assert.equal(told[1]?.[1].discoveredEndpoint, agent.endpoint);
});

test('an initiation alone moves nothing, nor does a replayed packet from elsewhere', async (t) => {
  const { app, beacon, keys, base, told, knocker, greet } = await openBeacon(t);
  const agent = await knocker();
  const gateway = await gatewayWith(app, agent.publicKey);
  await greet(agent);
  await until(() => told.length === 1, 'the endpoint is published');
  const before = beacon.mapping(gateway);

  const session = await agent.initiate(base, keys.ports[0].publicKey);
  assert.ok(session !== null);
  const datagram = session.keepalive(performance.now()) ?? assert.fail('the session is young');
  agent.send(datagram, base);
  await until(() => beacon.counters.handshakes === 3, 'the handshake counts');
  const thief = await knocker('127.0.0.3');
  thief.send(datagram, base);
  await until(() => (beacon.counters.refusals.get('repeated') ?? 0) === 1, 'the repetition is refused');
  await agent.move('127.0.0.2');
  assert.ok((await agent.initiate(base, keys.ports[0].publicKey)) !== null);
  assert.deepEqual(beacon.mapping(gateway), before);
  assert.equal(told.length, 1);
});

test('the second port listens at a second address, and agents are told of it', async (t) => {
  const endpoint = { host: '192.0.2.1', port: null };
  const { beacon, base } = await openBeacon(t, { endpoint, secondAddress: '127.0.0.3' });
  const told = beacon.peers().map((peer) => peer.endpoint);
  assert.deepEqual(told, [null, `192.0.2.1:${base}`, `127.0.0.3:${base + 1}`]);
  const bound = (host: string, port: number) =>
    new Promise<boolean>((resolve) => {
      const socket = createSocket('udp4');
      socket.once('error', () => resolve(true));
      socket.bind({ address: host, port, exclusive: true }, () => socket.close(() => resolve(false)));
    });
  assert.deepEqual([await bound('127.0.0.1', base), await bound('127.0.0.3', base + 1)], [true, true]);
  assert.equal(await bound('127.0.0.1', base + 1), false);
});

test('a mapping that differs between the ports is not published', async (t) => {
  const { app, beacon, keys, base, told, knocker } = await openBeacon(t);
  const agent = await knocker();
  const gateway = await gatewayWith(app, agent.publicKey);
  for (const [index, { publicKey }] of keys.ports.entries()) {
    const session = await agent.initiate(base + index, publicKey);
    assert.ok(session !== null);
    agent.keepalive(session, base + index);
    await until(() => beacon.counters.handshakes === index + 1, 'the port hears it');
    if (index === 0) await agent.move('127.0.0.2');
  }
  await until(() => told.length === 1, 'it is told');
  assert.deepEqual(told, [[gateway, { discoveredEndpoint: null, mappingIndependent: false }]]);
});

test('of devices, native and active ones are answered; their endpoint is in the row, and requests cannot edit it', async (t) => {
  const { app, beacon, keys, base, knocker, greet } = await openBeacon(t);
  const [native, plain] = [await knocker(), await knocker()];
  const device = await deviceWith(app, native.publicKey, true);
  await deviceWith(app, plain.publicKey, false);
  const row = () => app.store.db.selectFrom('devices').selectAll().where('id', '=', device).executeTakeFirstOrThrow();
  const version = (await row()).version;
  const mapped = async (wanted: string | null) => {
    while ((await row()).mapped_endpoint !== wanted) await new Promise((resolve) => setImmediate(resolve));
  };
  const revision = async () =>
    (
      await app.store.db
        .selectFrom('tenants')
        .select('revision')
        .where('id', '=', app.tenant.id)
        .executeTakeFirstOrThrow()
    ).revision;
  const before = await revision();
  await app.app.runtimes.world(app.tenant.id);
  await greet(native);
  await mapped(native.endpoint);
  assert.deepEqual([(await row()).version, await revision()], [version, before]);
  assert.equal((await app.app.runtimes.world(app.tenant.id)).devices.get(device)?.endpoint, native.endpoint);

  assert.equal(await plain.initiate(base, keys.ports[0].publicKey, 1), null);
  assert.equal(beacon.counters.refusals.get('unknown-peer'), 1);
  const session = await native.initiate(base, keys.ports[0].publicKey);
  assert.ok(session !== null);
  const gone = await app.request('DELETE', `/tenants/devices/${device}`);
  assert.equal(gone.status, 204);
  native.keepalive(session, base);
  await until(() => beacon.counters.refusals.get('unknown-session') === 1, 'its sessions ended with it');
  assert.equal(await native.initiate(base, keys.ports[0].publicKey, 1), null);
  assert.deepEqual(beacon.mapping(device), { kind: 'undecided' });
});

test('a silent agent is forgotten once its channel is gone too; a published endpoint of a gateway stays', async (t) => {
  let now = 0;
  const { app, beacon, told, connected, knocker, greet } = await openBeacon(t, { elapsed: () => now });
  const [agent, native] = [await knocker(), await knocker()];
  const gateway = await gatewayWith(app, agent.publicKey);
  const device = await deviceWith(app, native.publicKey, true);
  await greet(agent);
  await greet(native);
  const devices = app.store.db.selectFrom('devices').select('mapped_endpoint').where('id', '=', device);
  const endpoint = async (wanted: string | null) => {
    while ((await devices.executeTakeFirstOrThrow()).mapped_endpoint !== wanted)
      await new Promise((resolve) => setImmediate(resolve));
  };
  await endpoint(native.endpoint);
  await until(() => told.length === 1, 'the endpoint is published');
  connected.add(gateway);
  connected.add(device);
  now = 180_000;
  beacon.forgetSilent();
  assert.equal(beacon.kinds().independent, 2);
  connected.clear();
  beacon.forgetSilent();
  assert.deepEqual([beacon.mapping(gateway).kind, beacon.mapping(device).kind], ['undecided', 'undecided']);
  await endpoint(null);
  await until(() => told.length === 2, 'the channel counts again');
  assert.deepEqual(told[1], [gateway, { mappingIndependent: null }]);
});

test('an endpoint ends when the beacon is silent about a gateway whose channel lives, while others are heard', async (t) => {
  let now = 0;
  const { app, beacon, told, connected, knocker, greet } = await openBeacon(t, { elapsed: () => now });
  const [first, second] = [await knocker(), await knocker()];
  const [quiet, other] = [await gatewayWith(app, first.publicKey), await gatewayWith(app, second.publicKey)];
  await greet(first);
  await greet(second);
  await until(() => told.length === 2, 'both endpoints are published');
  connected.add(quiet);
  connected.add(other);
  now = 200_000;
  beacon.forgetSilent();
  assert.equal(beacon.mapping(quiet).kind, 'independent', 'nothing is heard at all: the beacon may be cut off');
  await greet(second);
  beacon.forgetSilent();
  assert.deepEqual([beacon.mapping(quiet).kind, beacon.mapping(other).kind], ['undecided', 'independent']);
  await until(() => told.some(([id, facts]) => id === quiet && facts.mappingIndependent === null), 'it is taken back');
  await greet(first);
  await until(() => beacon.mapping(quiet).kind === 'independent', 'it is seen again');
});

test('endpoints that an earlier process has published end when their agents are not heard', async (t) => {
  let now = 0;
  const { app, beacon, told, knocker, greet } = await openBeacon(t, { elapsed: () => now });
  const [first, second] = [await knocker(), await knocker()];
  const [gone, heard] = [await gatewayWith(app, first.publicKey), await gatewayWith(app, second.publicKey)];
  for (const id of [gone, heard])
    await app.store.db.updateTable('gateways').set({ mapping_independent: 1 }).where('id', '=', id).execute();
  await greet(second);
  beacon.forgetSilent();
  now = 190_000;
  await greet(second);
  beacon.forgetSilent();
  await until(() => told.some(([id, facts]) => id === gone && facts.mappingIndependent === null), 'it is taken back');
  assert.ok(!told.some(([id, facts]) => id === heard && facts.mappingIndependent === null));
});

test('a key in two tenants belongs to the agent that had it first', async (t) => {
  const { app, told, knocker, greet } = await openBeacon(t);
  const agent = await knocker();
  const first = await gatewayWith(app, agent.publicKey);
  app.clock.now += 1000;
  await gatewayWith(app, agent.publicKey);
  await greet(agent);
  await until(() => told.length === 1, 'the endpoint is published');
  assert.equal(told[0]?.[0], first);
});

test('an agent with a new key is answered under that key only, and not at all once it is deleted', async (t) => {
  const { app, beacon, keys, base, told, knocker, greet } = await openBeacon(t);
  const [before, after] = [await knocker(), await knocker()];
  const id = await gatewayWith(app, before.publicKey);
  await greet(before);
  await until(() => told.length === 1, 'it is known');
  const old = await before.initiate(base, keys.ports[0].publicKey);
  assert.ok(old !== null);
  // Read between the commit and the news of it.
  await app.store.db.updateTable('gateways').set({ wireguard_key: after.publicKey }).where('id', '=', id).execute();
  assert.ok((await after.initiate(base, keys.ports[0].publicKey)) !== null);
  before.keepalive(old, base);
  await until(() => beacon.counters.refusals.get('unknown-session') === 1, 'the sessions of the other key have ended');
  await app.request('POST', `/tenants/gateways/${id}/enable-relay`);
  assert.equal(await before.initiate(base, keys.ports[0].publicKey, 1), null);
  assert.ok((await after.initiate(base, keys.ports[0].publicKey)) !== null);
  assert.equal((await app.request('DELETE', `/tenants/gateways/${id}`)).status, 204);
  assert.equal(await after.initiate(base, keys.ports[0].publicKey, 1), null);
});

test('a stranger that becomes a gateway is answered from its commit on', async (t) => {
  const { app, keys, base, knocker } = await openBeacon(t);
  const agent = await knocker();
  assert.equal(await agent.initiate(base, keys.ports[0].publicKey, 1), null);
  const id = await gatewayWith(app, agent.publicKey);
  await app.request('POST', `/tenants/gateways/${id}/enable-relay`);
  assert.ok((await agent.initiate(base, keys.ports[0].publicKey)) !== null);
});

test('noise is not answered, is counted, and does no harm', async (t) => {
  const { app, beacon, base, told, knocker, greet } = await openBeacon(t);
  const agent = await knocker();
  await gatewayWith(app, agent.publicKey);
  const noise = [0, 1, 31, 32, 92, 148, 1200].map((length) => new Uint8Array(length));
  noise.push(...[1, 2, 3, 4].map((type) => Uint8Array.of(type, ...new Uint8Array(147))));
  const refused = () => [...beacon.counters.refusals.values()].reduce((sum, count) => sum + count, 0);
  for (const datagram of noise) {
    const before = refused();
    // A busy host loses datagrams.
    await until(() => {
      if (refused() === before) agent.send(datagram, base);
      return refused() > before;
    }, 'it is refused');
  }
  await greet(agent);
  await until(() => told.length === 1, 'others are served');
});

test('agents get both ports and the key that knocks; without a host or without ports, only that key', async (t) => {
  const endpoint = { host: '2001:db8::1', port: null };
  const { app, beacon, keys, base } = await openBeacon(t, { endpoint });
  const knocks = { id: 'probe', publicKey: keys.probe.publicKey, endpoint: null };
  assert.deepEqual(beacon.peers(), [
    knocks,
    { id: '1', publicKey: keys.ports[0].publicKey, endpoint: `[2001:db8::1]:${base}` },
    { id: '2', publicKey: keys.ports[1].publicKey, endpoint: `[2001:db8::1]:${base + 1}` },
  ]);
  assert.equal(new Set(beacon.peers().map(({ publicKey }) => publicKey)).size, 3);
  assert.deepEqual(await loadBeaconKeys(app.store, box), keys);
  const { value } = await app.store.db
    .selectFrom('meta')
    .select('value')
    .where('key', '=', 'beacon-keys')
    .executeTakeFirstOrThrow();
  assert.ok(!value.includes(keys.probe.privateKey), 'keys are sealed at rest');

  const warnings: string[] = [];
  const log = { info: () => {}, warn: (_: object, text: string) => warnings.push(text) };
  const host = '127.0.0.1';
  const squatter = createSocket('udp4').bind(0, host);
  await once(squatter, 'listening');
  t.after(() => squatter.close());
  const { port } = squatter.address();
  const late = new Beacon({
    keys,
    listen: { host, port: port - 1 },
    endpoint,
    store: app.store,
    directory: { observed: async () => {} },
    judged: () => {},
    mapped: () => {},
    connected: () => false,
    log,
  });
  const gateway = await gatewayWith(app, publicKeys[0] ?? '');
  await app.store.db.updateTable('gateways').set({ mapping_independent: 0 }).where('id', '=', gateway).execute();
  await late.listen();
  const row = app.store.db.selectFrom('gateways').select('mapping_independent').where('id', '=', gateway);
  assert.equal(
    (await row.executeTakeFirstOrThrow()).mapping_independent,
    null,
    'endpoints of an earlier beacon are removed',
  );
  assert.deepEqual([late.port, late.peers()], [null, [knocks]]);
  assert.match(warnings.join(), /there is no beacon/);
  await late.stop();
});

test('a beacon that is off follows no commits', async (t) => {
  const store = { ...(await openTestStore(t)), onCommit: () => assert.fail('it listens for commits') };
  const { beacon } = await openBeacon(t, { store, listen: null });
  assert.equal(beacon.port, null);
});

test('keys are looked up by an index', async (t) => {
  if (testPostgres !== undefined) return t.skip('asks for plans of SQLite');
  const { app } = await openBeacon(t);
  const plan = async (table: string, where: string) => {
    const sql = `explain query plan select id from ${table} where ${where}`;
    const { rows } = await app.store.db.executeQuery<{ detail: string }>(CompiledQuery.raw(sql));
    return rows.map(({ detail }) => detail).join();
  };
  assert.match(await plan('gateways', 'wireguard_key = ?'), /gateways_by_wireguard_key/);
  assert.match(await plan('devices', 'public_key = ? and identity_key is not null'), /devices_by_public_key/);
});
