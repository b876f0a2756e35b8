import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { until } from '../testing/manual-time.ts';
import { gatewayItem } from '../testing/memory-states.ts';
import { ScriptedAgent } from '../testing/scripted-agent.ts';
import type { DesiredStates } from '../types.ts';
import { type Controller, Controllers } from './testing/controllers.ts';

const shown = ({ all }: Controller, id: string) => {
  const { connected, alive, converged } = all.presence(id);
  return [connected, alive, converged];
};

const here = [true, true, true];

async function two(t: TestContext) {
  const all = new Controllers(t);
  return { all, a: await all.start('a'), b: await all.start('b') };
}

/** Connects an agent, and waits until every controller shows it. */
async function connected(all: Controllers, at: Controller, others: Controller[], from?: ScriptedAgent) {
  const identity = from?.identity ?? all.agent();
  const agent = await ScriptedAgent.connect(at.port, identity, from);
  if (from === undefined) await agent.expect('snapshot');
  agent.apply();
  for (const one of [at, ...others]) await until(() => `${shown(one, identity.agent)}` === `${here}`, 'it is shown');
  return { id: identity.agent, agent };
}

test('an agent moves from one controller to another and back, and all of them show it at every step', async (t) => {
  const { all, a, b } = await two(t);
  const { id, agent } = await connected(all, a, [b]);
  assert.equal(b.all.presence(id).agent?.hostname, 'host');
  const second = await connected(all, b, [a], agent);
  assert.equal((await agent.expect('refused')).code, 'taken-over');
  assert.equal(all.holders.holder(id), b.replica.self.id);
  assert.equal(a.channel.presence(id).connected, false, 'the former holder has no connection');
  assert.deepEqual(shown(a, id), here, 'but knows where the agent is');
  await connected(all, a, [b], second.agent);
  await second.agent.closed();
  assert.equal(all.holders.holder(id), a.replica.self.id);
  const warnings = [...a.lines, ...b.lines].filter(({ level }) => level === 'warn');
  assert.deepEqual(warnings, [], 'a move is no copied host');
});

test('what another version tells of agents is shown as far as it is understood, and the rest is one line in the log', async (t) => {
  const { all, a, b } = await two(t);
  const { id } = await connected(all, a, [b]);
  const generation = (a.all.claims.generation(id) ?? 0) + 1;
  const tell = (value: object) =>
    a.replica.facts.publish({ tenant: 't', kind: 'status', object: id, value, generation });
  const status = { connected: true, alive: true, converged: false, lastSeen: 1, error: null, applied: null };
  const words = { version: '9', hostname: 'h', os: 'o', kernel: 'k', wireguard: 'a new kind' };
  tell({ ...status, safeToStop: false, heartbeatMs: 10_000, until: null, agent: words, added: true });
  await until(() => `${shown(b, id)}` === 'true,true,false', 'the words are left out');
  assert.equal(b.all.presence(id).agent, undefined);
  for (let n = 0; n < 5; n++) tell({ state: 'fine' });
  await until(() => !b.all.presence(id).connected, 'nothing is known of it');
  const lines = b.lines.filter(({ level }) => level === 'warn').map(({ text }) => text);
  assert.deepEqual(lines, ['another controller tells of agents in a form that this version cannot read']);
});

test('a controller that did not hear that it lost an agent finds out by itself', async (t) => {
  const { all, a, b } = await two(t);
  const { id, agent } = await connected(all, a, [b]);
  all.network.cut.add(`${b.replica.self.id} ${a.replica.self.id}`);
  await connected(all, b, [], agent);
  assert.equal(a.channel.presence(id).connected, true, 'the message got lost');
  all.time.advance(3_000);
  await until(() => !a.channel.presence(id).connected, 'it looked');
  assert.equal((await agent.expect('refused')).code, 'taken-over');
  all.states.change(id, []);
  all.time.advance(60_000);
  assert.equal(agent.received.at(-1)?.type, 'refused', 'nothing is signed for it any more');
});

test('a controller that lost an agent tells nothing about it any more', async (t) => {
  const { all, a, b } = await two(t);
  const { id, agent } = await connected(all, a, [b]);
  await connected(all, b, [a], agent);
  await agent.closed();
  all.time.advance(20_000);
  await until(() => !a.channel.presence(id).alive, 'the grace is over at the former holder');
  assert.equal(all.network.facts.get(`status ${id}`)?.replica, b.replica.self.id);
});

test('an agent is refused while it cannot be claimed, and gets no state', async (t) => {
  const { all, a } = await two(t);
  all.holders.broken = true;
  const identity = all.agent();
  const agent = await ScriptedAgent.open(a.port, identity);
  await agent.authenticate();
  const { code, final } = await agent.expect('refused');
  assert.deepEqual([code, final], ['busy', false]);
  all.holders.broken = false;
  await connected(all, a, [], Object.assign(agent, { state: undefined }));
});

test('claims that come together are one statement, and the former holder gets one message', async (t) => {
  const { all, a, b } = await two(t);
  const refs = Array.from({ length: 120 }, (_, n) => ({ role: 'gateway', id: `agent-${n}`, tenant: 't' }) as const);
  await Promise.all(refs.map((ref) => a.all.claims.claim(ref)));
  const told: unknown[] = [];
  const tell = b.replica.tell.bind(b.replica);
  b.replica.tell = (to, topic, body) => {
    told.push(body);
    tell(to, topic, body);
  };
  assert.deepEqual(await Promise.all(refs.map((ref) => b.all.claims.claim(ref))), Array(120).fill(2));
  assert.deepEqual(all.holders.batches, [120, 120]);
  assert.equal(told.length, 1);
  await until(() => a.all.claims.generation('agent-0') === undefined, 'the message came');
});

test('the agents of a killed controller are shown as they were for five seconds, then as gone', async (t) => {
  const { all, a, b } = await two(t);
  const { id } = await connected(all, a, [b]);
  all.time.advance(2_000);
  let told = 0;
  all.network.kill(a.replica);
  b.all.onPresence(() => void told++);
  all.time.advance(4_900);
  assert.deepEqual(shown(b, id), here);
  all.time.advance(200);
  assert.deepEqual(shown(b, id), [false, false, false]);
  assert.ok(told > 0, 'listeners are told');
  assert.equal(b.all.presence(id).agent?.hostname, 'host', 'what it is stays known');
});

test('agents of an unreachable controller keep their status for three heartbeats', async (t) => {
  const { all, a, b } = await two(t);
  const { id } = await connected(all, a, [b]);
  const lost = all.time.clock();
  a.replica.contact = () => lost;
  all.time.advance(6_000);
  all.network.kill(a.replica);
  all.time.advance(29_000);
  assert.deepEqual(shown(b, id), here);
  all.time.advance(1_100);
  assert.deepEqual(shown(b, id), [false, false, false]);
});

test('agents of a killed controller that come back in time were never gone', async (t) => {
  const { all, a, b } = await two(t);
  const { id, agent } = await connected(all, a, [b]);
  all.network.kill(a.replica);
  all.time.advance(4_000);
  await connected(all, b, [], agent);
  all.time.advance(4_000);
  assert.deepEqual(shown(b, id), here);
});

/** A controller that takes agents, and welcomes none before `go` is called. */
async function hesitant(all: Controllers) {
  const { promise, resolve: go } = Promise.withResolvers<void>();
  const states: DesiredStates = {
    current: (agent) => promise.then(() => all.states.current(agent)),
    subscribe: (...about) => all.states.subscribe(...about),
  };
  return { controller: await all.start('hesitant', { states }), go };
}

test('an agent that another controller takes keeps its status until it is welcomed there', async (t) => {
  const { all, a } = await two(t);
  const { controller: c, go } = await hesitant(all);
  const { id, agent } = await connected(all, a, [c]);
  all.network.kill(a.replica);
  const coming = ScriptedAgent.connect(c.port, agent.identity, agent);
  await until(() => all.holders.holder(id) === c.replica.self.id, 'it is taken');
  await until(() => c.all.claims.generation(id) === 2, 'the taker knows');
  assert.deepEqual(shown(c, id), here);
  go();
  (await coming).apply();
  all.time.advance(6_000);
  await until(() => `${shown(c, id)}` === `${here}`, 'it is welcomed');
});

test('an agent that moves while a change is on its way to it stays converged for as long as one that does not', async (t) => {
  const { all, a, b } = await two(t);
  const { id, agent } = await connected(all, a, [b]);
  const { state: before } = agent;
  all.network.kill(a.replica);
  all.states.change(id, [gatewayItem({ listenPort: 51_821 })]);
  const moved = await ScriptedAgent.connect(b.port, agent.identity, agent);
  await until(() => b.channel.presence(id).connected, 'it is welcomed');
  assert.deepEqual(shown(b, id), here);
  moved.beat(all.time.clock(), before);
  moved.beat(all.time.clock(), { ...before, safeToStop: true });
  await until(() => b.all.presence(id).safeToStop, 'its heartbeats are heard');
  assert.deepEqual(shown(b, id), here);
  for (let second = 0; second < 16; second++) {
    all.time.advance(1_000);
    moved.beat(all.time.clock(), before);
  }
  await until(() => `${shown(b, id)}` === 'true,true,false', 'it took too long');
});

test('an agent that is taken and does not come in counts as gone everywhere', async (t) => {
  const { all, a, b } = await two(t);
  const { controller: c } = await hesitant(all);
  const { id, agent } = await connected(all, a, [b, c]);
  const coming = await ScriptedAgent.open(c.port, agent.identity);
  await coming.authenticate();
  await until(() => c.all.claims.generation(id) === 2, 'it is taken');
  await coming.cut();
  await agent.closed();
  all.time.advance(9_000);
  assert.deepEqual(shown(c, id), here);
  all.time.advance(1_100);
  await until(() => `${shown(c, id)}` === 'false,false,false', 'its status is over here');
  await until(() => `${shown(b, id)}` === 'false,false,false', 'and at a third controller');
});

test('an agent that went away counts as gone everywhere when its grace is over', async (t) => {
  const { all, a, b } = await two(t);
  const { id, agent } = await connected(all, a, [b]);
  await agent.cut();
  await until(() => !b.all.presence(id).connected, 'the other controller hears of it');
  assert.deepEqual(shown(b, id), [false, true, true]);
  all.network.kill(a.replica);
  let told = 0;
  b.all.onPresence(() => void told++);
  all.time.advance(15_000);
  assert.deepEqual(shown(b, id), [false, false, false], 'without another word of its holder');
  assert.ok(told > 0, 'listeners are told');
});

test('a controller that starts later knows the agents of the others, and not those of controllers that ended', async (t) => {
  const { all, a, b } = await two(t);
  const [first, second] = [await connected(all, a, [b]), await connected(all, b, [a])];
  all.network.kill(a.replica);
  const c = await all.start('c');
  await until(() => shown(c, second.id)[0] === true, 'it reads the facts');
  assert.deepEqual(shown(c, first.id), [false, false, false]);
  assert.equal(c.all.presence(first.id).lastSeen, null, 'it may be about to come back');
});

test('an agent that is connected elsewhere was last seen not long ago', async (t) => {
  const { all, a, b } = await two(t);
  const { id, agent } = await connected(all, a, [b]);
  for (let beats = 0; beats < 30; beats++) {
    all.time.advance(10_000);
    agent.beat(all.time.clock());
    await until(() => a.channel.presence(id).lastSeen === all.time.clock(), 'the heartbeat');
  }
  const seen = b.all.presence(id).lastSeen ?? 0;
  assert.ok(all.time.clock() - seen <= 90_000, `${all.time.clock() - seen} ms`);
});

test('a deleted agent is forgotten everywhere', async (t) => {
  const { all, a, b } = await two(t);
  const { id } = await connected(all, a, [b]);
  all.directory.rows.set(id, 'deleted');
  all.states.remove(id);
  await until(() => !b.all.presence(id).connected, 'the other controller hears of it');
  assert.equal(b.all.presence(id).agent, undefined);
  assert.equal(a.all.claims.generation(id), undefined);
});
