import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { type Controller, Controllers } from './across/testing/controllers.ts';
import { until } from './testing/manual-time.ts';
import { deviceItem } from './testing/memory-states.ts';
import { ScriptedAgent } from './testing/scripted-agent.ts';

async function connected(all: Controllers, at: Controller) {
  const identity = all.agent();
  const agent = await ScriptedAgent.connect(at.port, identity);
  await agent.expect('snapshot');
  agent.apply();
  await until(() => at.channel.presence(identity.agent).converged, 'it has its state');
  return { id: identity.agent, agent };
}

/** Lets time pass while the agent beats. */
async function beats(
  all: Controllers,
  at: Controller,
  { id, agent }: Awaited<ReturnType<typeof connected>>,
  ms: number,
) {
  all.time.advance(ms);
  agent.beat(all.time.clock());
  await until(() => at.channel.presence(id).lastSeen === all.time.clock(), 'the heartbeat');
}

async function lostContact(t: TestContext) {
  const all = new Controllers(t);
  const a = await all.start('a');
  const one = await connected(all, a);
  const lost = all.time.clock();
  a.replica.contact = () => lost;
  return { all, a, one, lost };
}

test('ten seconds after the last contact nothing is signed, and later everything that waited', async (t) => {
  const { all, a, one } = await lostContact(t);
  await beats(all, a, one, 9_000);
  all.states.change(one.id, [deviceItem('a')]);
  await one.agent.expect('delta');
  await beats(all, a, one, 2_000);
  const before = one.agent.received.length;
  all.states.change(one.id, [deviceItem('b')]);
  one.agent.send({ type: 'need-snapshot', reason: 'test' });
  await beats(all, a, one, 500);
  assert.equal(one.agent.received.length, before);
  const other = await ScriptedAgent.open(a.port, all.agent());
  await other.authenticate();
  assert.equal((await other.expect('refused')).code, 'busy', 'no agent is welcomed');
  a.replica.contact = all.time.clock;
  all.time.advance(1_000);
  await until(() => one.agent.received.length > before, 'it goes on');
  assert.equal(one.agent.items.has('device/b'), true);
});

test('fifteen seconds after the last contact agents are sent away', async (t) => {
  const { all, a, one } = await lostContact(t);
  await beats(all, a, one, 9_000);
  await beats(all, a, one, 5_000);
  all.time.advance(1_500);
  const { code, final } = await one.agent.expect('refused');
  assert.deepEqual([code, final], ['busy', false]);
});

test('a controller that stood still counts nothing that agents sent meanwhile, before any of its timers runs', async (t) => {
  const all = new Controllers(t);
  const a = await all.start('a');
  const one = await connected(all, a);
  const { lastSeen } = a.channel.presence(one.id);
  const facts = all.network.facts.size;
  const now = all.time.clock();
  a.replica.contact = () => now - 15_000;
  one.agent.beat(now + 1);
  one.agent.send({ type: 'need-snapshot', reason: 'test' });
  const { code, final } = await one.agent.expect('refused');
  assert.deepEqual([code, final], ['busy', false]);
  assert.equal(one.agent.received.filter(({ type }) => type === 'snapshot').length, 1, 'it signs nothing');
  assert.deepEqual([a.channel.presence(one.id).lastSeen, all.network.facts.size], [lastSeen, facts]);
});

test('a lease ends no later than the last contact plus its length', async (t) => {
  const { all, a, one, lost } = await lostContact(t);
  await beats(all, a, one, 9_000);
  all.states.change(one.id, [deviceItem('a')]);
  const { signed } = await one.agent.expect('delta');
  assert.equal(signed.statement.leaseUntil, lost + 86_400_000);
  assert.equal(signed.statement.issuedAt, all.time.clock());
});

test('a controller that stops hands its agents over some at a time, and takes no others', async (t) => {
  const all = new Controllers(t);
  const [a, b] = [await all.start('a'), await all.start('b')];
  const agents = await Promise.all(Array.from({ length: 25 }, () => connected(all, a)));
  const left = () => agents.filter(({ agent }) => agent.received.at(-1)?.type !== 'refused').length;
  const over = a.channel.handOver();
  await until(() => left() === 15, 'the first ten');
  all.time.advance(100);
  await until(() => left() === 5, 'the next ten');
  await assert.rejects(ScriptedAgent.open(a.port, all.agent()), /503/);
  const [first] = agents;
  const back = await ScriptedAgent.connect(b.port, first?.agent.identity ?? all.agent(), first?.agent);
  back.apply();
  all.time.advance(100);
  await over;
  await until(() => left() === 0, 'all of them');
  for (const { agent } of agents) assert.equal((await agent.expect('refused')).code, 'busy');
  await until(() => b.all.presence(first?.id ?? '').converged, 'one of them is at the other controller');
});

test('while a controller hands over, agents that wait for their turn still get what closes something', async (t) => {
  const all = new Controllers(t);
  const a = await all.start('a');
  const agents = await Promise.all(Array.from({ length: 12 }, () => connected(all, a)));
  const over = a.channel.handOver();
  const last = agents.at(-1);
  all.states.change(last?.id ?? '', [deviceItem('a')]);
  await last?.agent.expect('delta');
  all.time.advance(100);
  await over;
});

test('an agent that knows a later revision makes the controller look, and then it is no older database', async (t) => {
  const all = new Controllers(t);
  const looked: string[] = [];
  const a = await all.start('a', {
    catchUp: async (tenant) => {
      looked.push(tenant);
      all.states.number = 7;
    },
  });
  const one = await connected(all, a);
  assert.deepEqual(looked, [], 'an agent that knows nothing later causes no look');
  await one.agent.cut();
  one.agent.state = { revision: { epoch: all.states.epoch, number: 7 }, hash: all.states.hash(one.id) };
  const back = await ScriptedAgent.connect(a.port, one.agent.identity, one.agent);
  assert.equal(looked.length, 1);
  assert.equal(a.channel.presence(one.id).error, null);
  await back.cut();
  one.agent.state = { revision: { epoch: all.states.epoch, number: 9 }, hash: all.states.hash(one.id) };
  await ScriptedAgent.connect(a.port, one.agent.identity, one.agent);
  assert.match(a.channel.presence(one.id).error ?? '', /older copy/, 'the database itself is behind');
});
