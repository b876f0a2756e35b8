import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { request } from 'node:http';
import { test } from 'node:test';
import { channelPath } from '@sallyport/contract/channel';
import { BeaconCounters } from '../../apps/controller/src/beacon/counters.ts';
import { BeaconPort } from '../../apps/controller/src/beacon/port.ts';
import { type Harness, startChannel } from '../../apps/controller/src/channel/testing/harness.ts';
import { until } from '../../apps/controller/src/channel/testing/manual-time.ts';
import { deviceItem } from '../../apps/controller/src/channel/testing/memory-states.ts';
import { newAgent, ScriptedAgent } from '../../apps/controller/src/channel/testing/scripted-agent.ts';

// Uncaught, each of these errors would end this process and the test with it.

async function online(h: Harness) {
  const { id, token } = h.gateway();
  const agent = await ScriptedAgent.connect(h.port, newAgent(id, token));
  await agent.expect('snapshot');
  return { id, agent };
}

async function assertServed(h: Harness, { id, agent }: Awaited<ReturnType<typeof online>>) {
  h.states.change(id, [deviceItem('new')]);
  h.time.advance(1_000);
  assert.deepEqual((await agent.expect('delta')).upserts, [deviceItem('new')]);
}

const bomb = (): never => {
  throw new Error('the cause');
};

const causesOf = ({ lines }: Harness) =>
  lines.flatMap(({ facts }) => ('err' in facts && facts.err instanceof Error ? [facts.err.message] : []));

test('a callback that throws on a message is reported and ends only the sender’s connection', async (t) => {
  const h = await startChannel(t, { deviceMoved: bomb });
  const honest = await online(h);
  const { id, agent } = await online(h);
  h.states.change(id, [deviceItem('moved')]);
  h.time.advance(1_000);
  await agent.expect('delta');
  agent.apply();
  const peer = { peer: 'moved', rxBytes: 1, txBytes: 1, lastHandshake: h.time.clock(), endpoint: '192.0.2.1:9' };
  agent.beat(h.time.clock(), { peers: [peer] });
  await agent.closed();
  await until(() => !h.channel.presence(id).connected, 'the connection is gone');
  assert.deepEqual(causesOf(h), ['the cause']);
  assert.deepEqual(h.warnings(), ['the connection of an agent failed']);
  await assertServed(h, honest);
});

test('a callback that throws during admission ends that connection and frees its place', async (t) => {
  let broken = false;
  const h = await startChannel(t, { leaseMs: () => (broken ? bomb() : 86_400_000) });
  const honest = await online(h);
  broken = true;
  const { id, token } = h.gateway();
  const agent = await ScriptedAgent.open(h.port, newAgent(id, token));
  await agent.authenticate();
  await agent.closed();
  broken = false;
  await until(() => h.channel.counters().handshaking === 0, 'the place is free');
  assert.deepEqual([...new Set(causesOf(h))], ['the cause']);
  await assertServed(h, honest);
  assert.equal(h.channel.counters().connected, 1);
});

test('a callback that throws on an upgrade closes that socket, and the next one is admitted', async (t) => {
  let broken = true;
  const h = await startChannel(t, { peerAddress: () => (broken ? bomb() : '192.0.2.1') });
  const headers = { connection: 'upgrade', upgrade: 'websocket', 'sec-websocket-version': '13' };
  const sent = request({ host: '127.0.0.1', port: h.port, path: channelPath, headers });
  sent.end();
  await once(sent, 'error');
  assert.deepEqual(causesOf(h), ['the cause']);
  broken = false;
  await assertServed(h, await online(h));
});

test('a throwing timer is reported, and later timers run', async (t) => {
  const h = await startChannel(t);
  const honest = await online(h);
  honest.agent.apply();
  await until(() => h.channel.presence(honest.id).applied !== null, 'the state is applied');
  h.directory.lastOnline = bomb;
  honest.agent.beat(h.time.clock());
  h.time.advance(10_000);
  await new Promise((resolve) => setImmediate(resolve));
  h.time.advance(10_000);
  await until(() => causesOf(h).includes('the cause'), 'it is told');
  await assertServed(h, honest);
});

test('a listener that throws on a presence change is reported, and the others are called', async (t) => {
  const h = await startChannel(t);
  const heard: string[] = [];
  h.channel.onPresence(bomb);
  h.channel.onPresence((agent) => heard.push(agent));
  const honest = await online(h);
  await until(() => heard.includes(honest.id), 'the other listener hears');
  assert.ok(causesOf(h).includes('the cause'));
  await assertServed(h, honest);
});

test('datagrams that make the beacon throw are dropped and reported', async (t) => {
  const told: object[] = [];
  const counters = new BeaconCounters();
  counters.refused = bomb;
  const port = new BeaconPort({
    privateKey: Buffer.alloc(32, 5).toString('base64'),
    known: { remembered: () => undefined, find: async () => null } as never,
    counters,
    seen: () => {},
    log: { warn: (facts) => void told.push(facts) },
  });
  t.after(() => port.close());
  const at = await port.listen('127.0.0.1', 0);
  const socket = createSocket('udp4');
  t.after(() => socket.close());
  for (let i = 0; i < 50; i++) socket.send(Buffer.alloc(40, i), at, '127.0.0.1');
  await until(() => told.length > 0, 'it is told');
  assert.equal(told.length, 1);
});
