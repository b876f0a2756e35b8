import assert from 'node:assert/strict';
import { test } from 'node:test';
import { channelProtocol, type StateItem } from '@sallyport/contract/channel';
import { constantIdentity } from './keys.ts';
import { newSigner } from './testing/agent-keys.ts';
import { type Harness, startChannel } from './testing/harness.ts';
import { until } from './testing/manual-time.ts';
import { deviceItem, gatewayItem } from './testing/memory-states.ts';
import { newAgent, ScriptedAgent } from './testing/scripted-agent.ts';

async function connected(h: Harness) {
  const { id, token } = h.gateway([gatewayItem(), deviceItem('a')]);
  const agent = await ScriptedAgent.connect(h.port, newAgent(id, token));
  await agent.expect('snapshot');
  return { id, agent };
}

const sent = (h: Harness) => h.channel.counters().sent;

test('a change goes out as a delta, changes of one burst as one', async (t) => {
  const h = await startChannel(t);
  const { id, agent } = await connected(h);
  h.time.advance(100);
  h.states.change(id, [deviceItem('b')]);
  const delta = await agent.expect('delta');
  assert.deepEqual(
    delta.upserts.map((item) => item.key),
    ['device/b'],
  );

  h.time.advance(100);
  h.states.change(id, [deviceItem('c'), deviceItem('d')], ['device/a']);
  h.states.change(id, [deviceItem('c', { addresses: ['100.64.0.44'] })], ['device/d']);
  const burst = await agent.expect('delta');
  assert.deepEqual(
    burst.upserts.map((item) => item.key),
    ['device/c'],
  );
  assert.deepEqual(burst.removes.toSorted(), ['device/a', 'device/d']);
  assert.equal(agent.state?.hash, h.states.hash(id));
  assert.equal(agent.state?.revision.number, h.states.number);
});

test('an agent that was away gets what it missed, or only a lease when it missed nothing', async (t) => {
  const h = await startChannel(t);
  const { id, agent } = await connected(h);
  await agent.cut();
  h.states.change(id, [deviceItem('b')]);
  h.states.tick();
  const back = await ScriptedAgent.connect(h.port, agent.identity, agent);
  const delta = await back.expect('delta');
  assert.deepEqual(
    delta.upserts.map((item) => item.key),
    ['device/b'],
  );
  assert.equal(back.state?.hash, h.states.hash(id));
  await back.cut();

  h.states.tick();
  const again = await ScriptedAgent.connect(h.port, back.identity, back);
  const lease = await again.expect('lease');
  assert.equal(lease.signed.statement.revision.number, h.states.number);
  assert.deepEqual(sent(h), { challenge: 3, welcome: 3, snapshot: 1, delta: 1, lease: 1 });
});

test('an agent whose state is not known any more gets everything', async (t) => {
  const h = await startChannel(t, { limits: { historyDeltas: 2 } });
  const { id, agent } = await connected(h);
  await agent.cut();
  for (const device of ['b', 'c', 'd']) h.states.change(id, [deviceItem(device)]);
  const back = await ScriptedAgent.connect(h.port, agent.identity, agent);
  await back.expect('snapshot');
  assert.equal(back.items.size, 5);
  await back.cut();

  h.states.epoch = 'restored';
  h.states.number = 1;
  h.states.tick();
  const restored = await ScriptedAgent.connect(h.port, agent.identity, back);
  await restored.expect('snapshot');
});

test('the state of a gateway whose agent stays away is followed for a bounded time', async (t) => {
  const h = await startChannel(t);
  const { id, agent } = await connected(h);
  await agent.cut();
  await until(() => !h.channel.presence(id).connected, 'gone');
  assert.equal(h.states.listeners(id), 1);
  h.time.advance(601_000);
  assert.equal(h.states.listeners(id), 0);
  h.states.change(id, [deviceItem('b')]);
  const back = await ScriptedAgent.connect(h.port, agent.identity, agent);
  await back.expect('snapshot');
  assert.equal(h.states.listeners(id), 1);
});

test('a changed expiry reaches the agent although the hash stays', async (t) => {
  const h = await startChannel(t);
  const { id, agent } = await connected(h);
  await agent.cut();
  const hash = h.states.hash(id);
  h.states.change(id, [deviceItem('a', { expiresAt: h.time.clock() + 5_000 })]);
  assert.equal(h.states.hash(id), hash);
  const back = await ScriptedAgent.connect(h.port, agent.identity, agent);
  const delta = await back.expect('delta');
  assert.equal(delta.from, hash);
  assert.equal(delta.upserts.length, 1);
  h.time.advance(2_000);
  h.states.change(id, [deviceItem('a', { expiresAt: null })]);
  await back.expect('delta');
  h.time.advance(2_000);
  await until(() => sent(h).delta === 2, 'no third delta');
});

test('revisions that do not concern an agent are not signed for it, and cost no frame', async (t) => {
  const signed: string[] = [];
  const { publicKey, sign } = newSigner();
  const count = (text: string) => {
    signed.push(text);
    return sign(text);
  };
  const h = await startChannel(t, { identity: constantIdentity({ publicKey, sign: count }) });
  const gateways = Array.from({ length: 100 }, () => h.gateway());
  const agents = await Promise.all(gateways.map(({ id, token }) => ScriptedAgent.connect(h.port, newAgent(id, token))));
  const [concerned = assert.fail()] = agents;
  const before = { ...sent(h) };
  signed.length = 0;
  for (let i = 0; i < 50; i++) {
    h.states.tick();
    h.time.advance(100);
  }
  h.states.change(concerned.identity.agent, [deviceItem('a')]);
  await until(() => concerned.state?.revision.number === h.states.number, 'the change');
  assert.deepEqual(sent(h), { ...before, delta: 1 });
  assert.equal(signed.length, 1);
});

test('the lease is renewed hourly, and at a quarter when it is shorter', async (t) => {
  let leaseMs = 86_400_000;
  const h = await startChannel(t, { leaseMs: () => leaseMs, heartbeatMs: 3_600_000 });
  const { agent } = await connected(h);
  h.time.advance(3_599_000);
  assert.equal(sent(h).lease, undefined);
  h.time.advance(1_000);
  await agent.expect('lease');
  assert.equal(agent.leaseUntil, h.time.clock() + leaseMs);
  leaseMs = 60_000;
  h.time.advance(3_600_000);
  await agent.expect('lease');
  h.time.advance(15_000);
  await agent.expect('lease');
  assert.equal(agent.leaseUntil, h.time.clock() + 60_000);
});

test('an agent that asks gets a snapshot, and not more than one a second', async (t) => {
  const h = await startChannel(t);
  const { agent } = await connected(h);
  for (let i = 0; i < 20; i++) agent.send({ type: 'need-snapshot', reason: 'test' });
  agent.beat(h.time.clock(), { safeToStop: true });
  await until(() => h.channel.presence(agent.identity.agent).safeToStop, 'all was read');
  assert.equal(sent(h).snapshot, 1);
  h.time.advance(1_000);
  await agent.expect('snapshot');
  assert.equal(sent(h).snapshot, 2);
});

test('an agent that resumes reading gets one message, not a queue', async (t) => {
  const h = await startChannel(t, { limits: { highWater: 200_000, lowWater: 1_000, historyDeltas: 4 } });
  const { id, agent } = await connected(h);
  agent.ws.pause();
  const wide = (round: number) =>
    Array.from({ length: 4_000 }, (_, i) => deviceItem(`d${i}`, { addresses: [`100.65.${round % 250}.${i % 250}`] }));
  let changes = 0;
  // The kernel's buffers swallow some megabytes first.
  for (let delivered = -1; delivered !== (sent(h).delta ?? 0) + (sent(h).snapshot ?? 0) && changes < 200; changes++) {
    delivered = (sent(h).delta ?? 0) + (sent(h).snapshot ?? 0);
    h.states.change(id, wide(changes));
    h.time.advance(1_000);
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
  }
  const before = (sent(h).delta ?? 0) + (sent(h).snapshot ?? 0);
  for (let i = 0; i < 30; i++) h.states.change(id, wide(100 + i));
  h.states.change(id, [deviceItem('last')]);
  h.time.advance(1_000);
  assert.equal((sent(h).delta ?? 0) + (sent(h).snapshot ?? 0), before);
  agent.ws.resume();
  await until(() => agent.state?.hash === h.states.hash(id), 'caught up');
  const after = (sent(h).delta ?? 0) + (sent(h).snapshot ?? 0);
  assert.ok(after - before <= 2, `${after - before} messages to catch up`);
  assert.ok(agent.items.has('device/last'));
});

test('an agent that never reads again is cut', async (t) => {
  const h = await startChannel(t, { limits: { highWater: 100_000, stallMs: 30_000 } });
  const { id, agent } = await connected(h);
  agent.ws.pause();
  for (let i = 0; i < 100 && h.channel.counters().ended.stalled === undefined; i++) {
    h.states.change(
      id,
      Array.from({ length: 4_000 }, (_, n) => deviceItem(`d${n}`, { addresses: [`100.66.${i}.${n % 250}`] })),
    );
    agent.beat(h.time.clock());
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
    h.time.advance(2_000);
  }
  assert.equal(h.channel.counters().ended.stalled, 1);
  assert.equal(h.channel.presence(id).connected, false);
});

test('an agent of the previous protocol gets neither names nor what concerns them, under the same hash', async (t) => {
  const h = await startChannel(t);
  const nameItem = (address: string): StateItem => ({
    ...{ kind: 'name', key: 'name/wiki.corp', id: 'wiki.corp', addresses: [address], resources: [] },
  });
  const deniedRanges = ['10.0.0.1-10.0.0.1'];
  const ofNames = {
    deniedRanges,
    dnsServers: [{ address: '10.0.0.53', port: 53, domains: [] }],
    overlay: { ...gatewayItem().overlay, names: '10.64.0.0/12' },
    forwarding: true as const,
  };
  const { id, token } = h.gateway([gatewayItem(ofNames), nameItem('100.96.0.1')]);
  const identity = newAgent(id, token);
  const names = (agent: ScriptedAgent) => [...agent.items.values()].filter(({ kind }) => kind === 'name');
  const older = await ScriptedAgent.open(h.port, identity);
  await older.authenticate({}, { protocol: channelProtocol - 1 });
  await until(() => older.items.size > 0, 'a snapshot');
  assert.deepEqual(names(older), []);
  assert.deepEqual(older.items.get('gateway'), gatewayItem());
  h.time.advance(2_000);
  const changed = older.received.length;
  h.states.change(id, [nameItem('100.96.0.2'), deviceItem('d')]);
  await until(() => older.received.length > changed, 'a delta');
  assert.deepEqual(names(older), []);
  const { state } = older;
  await older.cut();
  const newer = await ScriptedAgent.connect(h.port, identity);
  assert.deepEqual(names(newer), [nameItem('100.96.0.2')]);
  assert.deepEqual(newer.items.get('gateway'), gatewayItem(ofNames));
  assert.equal(newer.state?.hash, state?.hash);
});
