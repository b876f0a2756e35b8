import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import type { ProbeItem } from '@sallyport/contract/channel';
import { until } from '../testing/manual-time.ts';
import { clientItem, gatewayItem, peerItem } from '../testing/memory-states.ts';
import { ScriptedAgent } from '../testing/scripted-agent.ts';
import { type Controller, Controllers } from './testing/controllers.ts';

const near = randomUUID();
const probe: ProbeItem = { kind: 'probe', key: 'probe/p', id: 'p', resource: 'r', target: '10.0.0.1', port: 80 };
const result = { id: 'p', resource: 'r', reachable: true, detail: 'connected' };
const path = { peer: near, via: 'direct', rttMs: 2 } as const;

/** Two controllers, and a gateway and a device at the first one that have reported. */
async function reported(t: TestContext) {
  const all = new Controllers(t);
  const [a, b] = [await all.start('a'), await all.start('b')];
  const [gateway, device] = [
    all.agent('gateway', [gatewayItem(), probe]),
    all.agent('device', [clientItem(), peerItem(near)]),
  ];
  const agents = await Promise.all([gateway, device].map((identity) => ScriptedAgent.connect(a.port, identity)));
  const [ofGateway, ofDevice] = agents as [ScriptedAgent, ScriptedAgent];
  for (const agent of agents) {
    await agent.expect('snapshot');
    agent.apply();
  }
  ofGateway.beat(all.time.clock() + 9_000, { probes: [result] });
  ofDevice.beat(all.time.clock(), { paths: [path] });
  await until(() => a.channel.presence(gateway.agent).probes.size > 0, 'the probes');
  await until(() => a.channel.paths(device.agent).length > 0, 'the paths');
  for (const { agent } of [gateway, device]) await until(() => b.all.presence(agent).converged, 'the others know it');
  return { all, a, b, gateway: gateway.agent, device: device.agent, ofGateway, ofDevice };
}

/** Makes a controller the holder of an agent without a connection. */
async function hold({ all, replica }: Controller, id: string): Promise<void> {
  const generation = await all.claims.claim({ role: 'gateway', id, tenant: 't' });
  const status = { connected: true, alive: true, converged: true, lastSeen: 1, error: null, applied: null };
  const value = { ...status, safeToStop: false, heartbeatMs: 10_000, until: null };
  replica.facts.publish({ tenant: 't', kind: 'status', object: id, value, generation });
}

/** Counts what a controller asks. */
function questionsOf({ replica }: Controller): unknown[] {
  const asked: unknown[] = [];
  const ask = replica.ask.bind(replica);
  replica.ask = (to, topic, body) => {
    asked.push(body);
    return ask(to, topic, body);
  };
  return asked;
}

test('statistics, probes and paths of an agent elsewhere are asked for when they are needed', async (t) => {
  const { b, gateway, device } = await reported(t);
  assert.equal(b.all.presence(gateway).clockSkewMs, null);
  await Promise.all((['statistics', 'probes', 'paths'] as const).map((kind) => b.all.gather([gateway, device], kind)));
  assert.equal(b.all.presence(gateway).clockSkewMs, 9_000);
  assert.deepEqual(b.all.presence(gateway).probes.get('p'), result);
  assert.deepEqual(b.all.paths(device), [path]);
});

test('a hundred agents elsewhere are one question, and agents here are none', async (t) => {
  const all = new Controllers(t);
  const [a, b] = [await all.start('a'), await all.start('b')];
  const ids = Array.from({ length: 100 }, (_, n) => `agent-${n}`);
  await Promise.all(ids.map((id) => hold(a, id)));
  await until(() => ids.every((id) => b.all.presence(id).connected), 'the others know them');
  const [ofA, ofB] = [questionsOf(a), questionsOf(b)];
  await Promise.all([b.all.gather(ids, 'statistics'), b.all.gather(ids, 'statistics')]);
  assert.equal(ofB.length, 1, 'the second reader waits for the first');
  await a.all.gather(ids, 'statistics');
  assert.equal(ofA.length, 0);
});

test('what a controller does not answer in time is left out', async (t) => {
  const { all, a, b, gateway, device } = await reported(t);
  all.network.cut.add(`${b.replica.self.id} ${a.replica.self.id}`);
  await b.all.gather([gateway], 'statistics');
  await b.all.gather([device], 'paths');
  assert.equal(b.all.presence(gateway).clockSkewMs, null);
  assert.equal(b.all.presence(gateway).converged, true);
  assert.deepEqual(b.all.paths(device), []);
});

test('reports that do not fit into one message come in several, and of one agent as many as fit', async (t) => {
  const all = new Controllers(t);
  const [a, b] = [await all.start('a'), await all.start('b')];
  const ids = ['x', 'y', 'z'];
  const results = Array.from({ length: 200 }, (_, n) => ({ ...result, id: `p${n}`, detail: 'd'.repeat(100) }));
  for (const id of ids) await hold(a, id);
  const present = a.channel.presence.bind(a.channel);
  const probes = (count: number) => new Map(results.slice(0, count).map((one) => [one.id, one]));
  a.channel.presence = (id) => ({ ...present(id), probes: new Map([...probes(200)].map(([key, one]) => [key, one])) });
  await until(() => ids.every((id) => b.all.presence(id).connected), 'the others know them');
  const asked = questionsOf(b);
  await b.all.gather(ids, 'probes');
  assert.deepEqual(
    ids.map((id) => b.all.presence(id).probes.size),
    [200, 200, 200],
  );
  assert.ok(asked.length > 1, `${asked.length} questions`);
  const many = new Map(
    Array.from({ length: 1_000 }, (_, n) => [`q${n}`, { ...result, id: `q${n}`, detail: 'd'.repeat(200) }]),
  );
  a.channel.presence = (id) => ({ ...present(id), probes: many });
  all.time.advance(1_000);
  await b.all.gather(['x'], 'probes');
  const shown = b.all.presence('x').probes.size;
  assert.ok(shown >= 100 && shown < 1_000, `${shown} of 1000`);
});

test('who asked for reports of an agent elsewhere is told when it reports again', async (t) => {
  const { all, a, b, gateway, ofGateway } = await reported(t);
  const told: string[] = [];
  b.all.onReport((id, what) => void told.push(`${what} ${id}`));
  await b.all.gather([gateway], 'statistics');
  all.time.advance(1_000);
  told.length = 0;
  ofGateway.beat(all.time.clock() + 5_000);
  await until(() => a.channel.presence(gateway).clockSkewMs === 5_000, 'the heartbeat');
  all.time.advance(500);
  await until(() => told.length > 0, 'it is told');
  assert.deepEqual(told, [`report ${gateway}`]);
  await b.all.gather([gateway], 'statistics');
  assert.equal(b.all.presence(gateway).clockSkewMs, 5_000, 'and gets the newer one');
});

test('an agent elsewhere is told to send, to probe and to upgrade by the controller that has it', async (t) => {
  const { b, gateway, device, ofGateway, ofDevice } = await reported(t);
  assert.equal(b.all.punch(device, near, ['192.0.2.1:51820']), true);
  await until(() => ofDevice.received.some(({ type }) => type === 'punch'), 'the punch');
  const answer = b.all.probe(gateway, 10_000);
  await until(() => ofGateway.received.some(({ type }) => type === 'probe'), 'the question');
  const asked = ofGateway.received.find((message) => message.type === 'probe');
  ofGateway.send({ type: 'probed', request: asked?.request ?? '', hash: null, probes: [result] });
  assert.deepEqual(await answer, [result]);
  assert.equal(
    b.all.askUpgrade(gateway, { request: randomUUID(), version: '9.9.9' }),
    false,
    'its host does not allow it',
  );
});

test('a gateway elsewhere is asked to upgrade when its host allows it', async (t) => {
  const all = new Controllers(t);
  const [a, b] = [await all.start('a'), await all.start('b')];
  const identity = all.agent();
  const agent = await ScriptedAgent.open(a.port, identity);
  await agent.authenticate({ upgrades: 'allowed' });
  await until(() => b.all.presence(identity.agent).connected, 'the others know it');
  assert.equal(b.all.askUpgrade(identity.agent, { request: randomUUID(), version: '9.9.9' }), true);
  await until(() => agent.received.some(({ type }) => type === 'upgrade'), 'it is asked');
});

test('messages that make no sense change nothing', async (t) => {
  const { a, b, gateway } = await reported(t);
  const { id } = a.replica.self;
  for (const topic of ['agents-taken', 'agents-reported', 'agent-reports'])
    for (const body of [null, 1, 'x', {}, [1, [gateway]], { agents: [1], kind: 'x' }, [[gateway, 'x']]])
      await b.replica.ask(id, topic, body);
  assert.equal(a.channel.presence(gateway).connected, true);
  a.replica.facts.publish({ tenant: 't', kind: 'status', object: 'x', value: { connected: 'yes' }, generation: 1 });
  await b.all.gather([gateway], 'statistics');
  assert.equal(b.all.presence('x').connected, false);
});
