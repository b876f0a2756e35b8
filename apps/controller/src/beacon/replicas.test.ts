import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { until } from '../channel/testing/manual-time.ts';
import { createSecretBox } from '../secrets/box.ts';
import { SharedWorld } from '../shared-world.ts';
import { makers, publicKeyOf } from '../testing/api.ts';
import { openTestApp, type TestApp } from '../testing/harness.ts';
import { type MemoryReplica, MemoryReplicas } from '../testing/replicas.ts';
import { Beacon } from './beacon.ts';
import { loadBeaconKeys } from './keys.ts';
import { BeaconPlaces } from './places.ts';
import { Knocker } from './testing/knocker.ts';

const listen = { host: '127.0.0.1', port: 0 };

/** A beacon of one replica, which stores what it sees in the app's database. */
async function openBeacon(t: TestContext, app: TestApp, replicas: MemoryReplica, elapsed: () => number) {
  const keys = await loadBeaconKeys(app.store, createSecretBox(Buffer.alloc(32, 7)));
  const seen: string[] = [];
  const beacon: Beacon = new Beacon({
    ...{ keys, listen, elapsed, store: app.store, directory: app.parts.directory },
    endpoint: { host: `${replicas.self.name}.example.net`, port: null },
    judged: (tenant, agent, mapping) => world.mapped(tenant, agent, mapping),
    mapped: () => undefined,
    connected: () => false,
    placed: () => places.announce(),
    others: {
      alone: () => replicas.others().length === 0,
      any: () => places.elsewhere(),
      see: (agent) => world.mappingElsewhere(agent) !== null,
    },
    log: { info: () => undefined, warn: (about, text) => assert.fail(`${text} ${JSON.stringify(about)}`) },
  });
  const places = new BeaconPlaces(beacon, keys, replicas);
  const world = new SharedWorld({
    ...{ replicas, runtimes: app.app.runtimes, now: app.store.now, log: { warn: () => assert.fail() } },
    seenElsewhere: (agent) => void seen.push(agent),
    endedElsewhere: (agent) => beacon.contradicted(agent),
  });
  replicas.onChange(() => beacon.othersChanged());
  await beacon.listen();
  t.after(() => beacon.stop());
  return { beacon, places, world, seen, keys, base: beacon.port ?? assert.fail() };
}

async function greet(knocker: Knocker, { base, keys }: Awaited<ReturnType<typeof openBeacon>>): Promise<void> {
  for (const [index, { publicKey }] of keys.ports.entries()) {
    const session = await knocker.initiate(base + index, publicKey);
    assert.ok(session !== null, `port ${index} answers`);
    knocker.keepalive(session, base + index);
  }
}

async function start(t: TestContext) {
  const app = await openTestApp(t);
  const network = new MemoryReplicas(app.store.now);
  let now = 0;
  const [one, two] = [network.join('one'), network.join('two')];
  const elapsed = () => now;
  const a = await openBeacon(t, app, one, elapsed);
  const b = await openBeacon(t, app, two, elapsed);
  const agent = await Knocker.open();
  t.after(() => agent.close());
  const { id } = await makers(app).gateway('Berlin');
  await app.parts.directory.agents.gateway.wireguardKeyChanged(id, agent.publicKey);
  const published = async () => {
    const rows = app.store.db.selectFrom('gateways').select('mapping_independent').where('id', '=', id);
    return (await rows.executeTakeFirstOrThrow()).mapping_independent !== null;
  };
  const untilPublished = (wanted: boolean) =>
    until(async () => (await published()) === wanted, `its mapping is stored: ${wanted}`);
  const pass = (ms: number) => {
    now += ms;
    for (const { beacon } of [a, b]) beacon.forgetSilent();
  };
  return { app, network, one, two, a, b, agent, id, published, untilPublished, pass };
}

test('an agent that moves to the beacon of another replica keeps its endpoint when the first one hears it no more', async (t) => {
  const { a, b, agent, id, published, untilPublished, pass } = await start(t);
  await greet(agent, a);
  await untilPublished(true);
  await until(() => b.world.mappingElsewhere(id) !== null, 'the other replica hears of it');
  assert.deepEqual(b.seen, [id]);

  pass(90_000);
  await greet(agent, b);
  await until(() => a.world.mappingElsewhere(id) !== null, 'the second beacon sees it last');
  pass(90_000);
  assert.equal(a.beacon.mapping(id).kind, 'undecided', 'it is silent at the first');
  assert.equal(b.beacon.mapping(id).kind, 'independent');
  assert.equal(await published(), true);
  assert.notEqual(a.world.mappingElsewhere(id), null);

  pass(90_000);
  await untilPublished(false);
  await until(() => a.world.mappingElsewhere(id) === null, 'no beacon hears it');
});

test('what a replica that ended has seen counts until the agent had the time to be heard by another beacon', async (t) => {
  const { network, one, a, b, agent, id, published, untilPublished, pass } = await start(t);
  await greet(agent, a);
  await untilPublished(true);
  await until(() => b.world.mappingElsewhere(id) !== null, 'the other replica hears of it');
  pass(170_000);
  network.kill(one);
  await a.beacon.stop();
  assert.deepEqual(
    b.places.peers().map(({ place }) => place !== undefined && place !== one.self.id),
    [false, true, true],
  );
  pass(20_000);
  assert.equal(await published(), true, 'it ended 20 seconds ago');
  await greet(agent, b);
  await until(() => b.beacon.mapping(id).kind === 'independent', 'it is heard');
  pass(170_000);
  assert.equal(await published(), true);
  pass(10_000);
  await untilPublished(false);
});

test('a replica that hears an agent restores the mapping that another replica ended', async (t) => {
  const { app, a, b, agent, id, published, untilPublished } = await start(t);
  await greet(agent, a);
  await untilPublished(true);
  await until(() => b.world.mappingElsewhere(id) !== null, 'the other replica hears of it');
  b.world.mapped(app.tenant.id, id, { kind: 'undecided' });
  await until(() => b.world.mappingElsewhere(id) !== null, 'the first one still hears it');
  assert.equal(await published(), true);
});

test('agents of two controllers get the ports of one of their beacons, and of the one that is left', async (t) => {
  const app = await openTestApp(t);
  const network = new MemoryReplicas(app.store.now);
  const [one, two] = [network.join('one'), network.join('two')];
  const keys = await loadBeaconKeys(app.store, createSecretBox(Buffer.alloc(32, 7)));
  const apps: TestApp[] = [];
  for (const replicas of [one, two]) {
    const beacon = { keys, listen, endpoint: { host: `${replicas.self.name}.example.net`, port: null } };
    apps.push(await openTestApp(t, { store: app.store, replicas, beacon }));
  }
  const gateways: string[] = [];
  for (let n = 0; n < 12; n++) {
    const { id } = await makers(app).gateway(`g${n}`, { endpoint: `g${n}.example.com` });
    await app.parts.directory.agents.gateway.wireguardKeyChanged(id, publicKeyOf(`g${n}`));
    gateways.push(id);
  }
  const hosts = async (parts: TestApp['parts'], id: string) => {
    const items = (await parts.states.current(id))?.items() ?? [];
    const ends = items.flatMap((item) => (item.kind === 'beacon' && item.endpoint !== null ? [item.endpoint] : []));
    assert.equal(new Set(items.filter(({ kind }) => kind === 'beacon').map(({ key }) => key)).size, ends.length + 1);
    return ends.map((endpoint) => endpoint.split('.')[0]);
  };
  const all = async () => {
    const told = await Promise.all(gateways.map((id) => Promise.all(apps.map(({ parts }) => hosts(parts, id)))));
    for (const [first, ...others] of told)
      for (const other of others) assert.deepEqual(other, first, 'both controllers say the same');
    return told.map(([first]) => first?.join());
  };
  assert.deepEqual(new Set(await all()), new Set(['']));
  for (const { app: each } of apps) await each.beacon.listen();
  const both = await all();
  assert.deepEqual(new Set(both), new Set(['one,one', 'two,two']));
  network.kill(two);
  apps.pop();
  assert.deepEqual(new Set(await all()), new Set(['one,one']));
});
