import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Cleanup, PostgresServer, until } from '@sallyport/testkit';
import { newAgent } from '../../../apps/controller/src/channel/testing/scripted-agent.ts';
import { LastingAgent, Supervised } from './supervised.ts';

const key = 'k'.repeat(40);

/** Two database servers, controllers that use them, and agents of those. */
async function openWorld(t: TestContext, { names, synchronous }: { names: string[]; synchronous: boolean }) {
  const cleanup = new Cleanup();
  t.after(() => cleanup.run());
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-failover-'));
  cleanup.add(async () => rmSync(folder, { recursive: true }));
  const first = await PostgresServer.start(cleanup);
  await first.sql('CREATE DATABASE access');
  const second = await first.standby(cleanup, 'second');
  if (synchronous) await first.set('synchronous_standby_names', 'second');
  const keyFile = join(folder, 'master.key');
  writeFileSync(keyFile, 'ab'.repeat(32));
  const env = {
    SALLYPORT_DATABASE_URL: first.urlWith([second], 'access'),
    SALLYPORT_MASTER_KEY_FILE: keyFile,
    SALLYPORT_BOOTSTRAP_API_KEY: key,
  };
  const controllers = names.map((name) => new Supervised(cleanup, join(folder, name), env));
  for (const controller of controllers) await controller.start();
  const [one] = controllers;
  assert.ok(one !== undefined);
  const agents: { readonly id: string; readonly agent: LastingAgent }[] = [];
  for (const name of ['a', 'b']) {
    const { json } = await one.ask('POST', '/tenants/gateways', key, { name, wireguardPort: '51820' });
    const agent = new LastingAgent(cleanup, newAgent(json.id, json.token), controllers);
    agents.push({ id: json.id, agent });
  }
  await until('agents are connected', () => agents.every(({ agent }) => agent.listenPort === 51820));
  const known = (name: string) => JSON.parse(readFileSync(join(folder, name, 'database-server.json'), 'utf8'));
  return { cleanup, first, second, controllers, one, agents, known };
}

type World = Awaited<ReturnType<typeof openWorld>>;

/** Changes each gateway through the API, and waits until its agent has the change. */
async function change({ controllers, agents }: World, port: number): Promise<void> {
  for (const [at, { id, agent }] of agents.entries()) {
    const through = controllers[at % controllers.length];
    const body = { name: `gateway ${at}`, wireguardPort: `${port}` };
    await until('the change is possible', async () =>
      [200, 204].includes((await through?.ask('PATCH', `/tenants/gateways/${id}`, key, body))?.status ?? 0),
    );
    await until('the agent has the change', () => agent.listenPort === port);
  }
}

/** Writes through every controller until it is stopped. Returns the names that were acknowledged. */
function writeOn({ controllers }: World) {
  const acknowledged: string[] = [];
  const refused: number[] = [];
  let running = true;
  const writers = controllers.map(async (controller, at) => {
    for (let n = 0; running; n++) {
      const body = { name: `written ${at} ${n}`, networkProtocols: [{ protocol: 'TCP', port: '8080' }] };
      const { status } = await controller.ask('POST', '/tenants/protocols', key, body);
      if (status === 201) acknowledged.push(body.name);
      else refused.push(status);
    }
  });
  const stop = async () => {
    running = false;
    await Promise.all(writers);
  };
  return { acknowledged, refused, stop };
}

async function written({ one }: World): Promise<string[]> {
  const { status, json } = await one.ask('GET', '/tenants/protocols', key);
  assert.equal(status, 200);
  return json.map(({ name }: { name: string }) => name).filter((name: string) => name.startsWith('written'));
}

test('after synchronous replication controllers go on at the promoted server, and nothing is lost', async (t) => {
  const world = await openWorld(t, { names: ['one', 'two'], synchronous: true });
  const { first, second, controllers, one, agents } = world;
  const before = (await one.replicas()).database;
  assert.deepEqual([before.timeline, before.replication], [1, { kind: 'synchronous', standbys: 1 }]);
  const [epoch] = agents[0]?.agent.epochs ?? [];
  const writes = writeOn(world);
  await until('writes succeed', () => writes.acknowledged.length > 50);
  await first.kill('SIGKILL');
  await second.promote();
  const count = writes.acknowledged.length;
  await until('writes succeed again', () => writes.acknowledged.length > count + 50);
  await writes.stop();
  const found = await written(world);
  const lost = writes.acknowledged.filter((name) => !found.includes(name));
  assert.deepEqual(lost, [], `of ${writes.acknowledged.length} acknowledged writes`);
  assert.equal(new Set(found).size, found.length, 'none happened twice');
  await change(world, 51_001);
  assert.deepEqual(
    controllers.map(({ restarts }) => restarts),
    [0, 0],
  );
  for (const { agent } of agents) assert.deepEqual([agent.epochs, agent.wrongs], [[epoch], []]);
  for (const { log } of controllers) assert.match(log, /another primary server; no acknowledged change was lost/);
  assert.equal((await one.replicas()).database.timeline, 2);

  // The old primary server comes back, and for a time it is the only one, also for a controller that starts.
  await second.kill('SIGKILL');
  await first.run();
  await until('it is refused', () => controllers.every(({ log }) => /an old primary server, on timeline 1/.test(log)));
  await one.kill('SIGKILL');
  await until('it is refused at a start', () => /SALLYPORT_NEW_EPOCH=true to go back to it/.test(one.log));
  assert.equal((await controllers[1]?.ask('GET', '/tenants/gateways', key))?.status, 503);
  await second.run();
  await change(world, 51_002);
  assert.equal((await one.replicas()).database.timeline, 2);
  for (const { agent } of agents) assert.deepEqual([agent.epochs, agent.wrongs], [[epoch], []]);
});

test('after asynchronous replication a new epoch begins by itself, and agents end at its state', async (t) => {
  const world = await openWorld(t, { names: ['one', 'two'], synchronous: false });
  await loseChanges(world);
  const { controllers, one, agents, known } = world;
  assert.ok(controllers.every(({ restarts }) => restarts > 0));
  const warned = controllers.filter(({ log }) =>
    /acknowledged changes of the last moments before may be lost/.test(log),
  );
  assert.equal(warned.length, 1, 'one of them begins the epoch and tells it');
  for (const { log } of controllers) assert.match(log, /standbys of the database server are asynchronous/);
  for (const { agent } of agents) assert.deepEqual([agent.epochs.length, agent.wrongs], [2, []]);
  const { json } = await one.ask('GET', '/tenants/audit-events?limit=100', key);
  assert.equal(JSON.stringify(json).match(/"note failover"/g)?.length, 1, 'once in the audit log');
  for (const name of ['one', 'two']) assert.equal(known(name).timeline, 2);
});

test('a single controller does the same', async (t) => {
  const world = await openWorld(t, { names: ['one'], synchronous: false });
  await loseChanges(world);
  assert.match(world.one.log, /acknowledged changes of the last moments before may be lost/);
  for (const { agent } of world.agents) assert.deepEqual([agent.epochs.length, agent.wrongs], [2, []]);
});

/** Makes acknowledged changes that the standby does not have, and promotes it. */
async function loseChanges(world: World): Promise<void> {
  const { first, second, one, agents } = world;
  await change(world, 51_001);
  const at = await first.sql('SELECT pg_current_wal_lsn()');
  await until(
    'the standby has that',
    async () => (await second.sql(`SELECT pg_last_wal_replay_lsn() >= '${at}'`)) === 't',
  );
  await second.kill('SIGKILL');
  for (const port of [51_002, 51_003]) await change(world, port);
  const known = agents.map(({ agent }) => agent.revision?.number ?? 0);
  await first.kill('SIGKILL');
  await second.run();
  await second.promote();
  await until('agents have the older state', () => agents.every(({ agent }) => agent.listenPort === 51_001));
  for (const [n, { agent }] of agents.entries())
    assert.ok((agent.revision?.number ?? 0) < (known[n] ?? 0), 'as the new truth');
  await change(world, 51_004);
  assert.equal((await one.ask('GET', '/tenants/gateways', key)).json.length, 2);
}
