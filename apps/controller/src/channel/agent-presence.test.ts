import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Harness, startChannel } from './testing/harness.ts';
import { until } from './testing/manual-time.ts';
import { deviceItem, gatewayItem } from './testing/memory-states.ts';
import { newAgent, ScriptedAgent, withNewKey } from './testing/scripted-agent.ts';

const probe = { kind: 'probe', key: 'probe/p1', id: 'p1', resource: 'r1', target: '10.0.0.1', port: 80 } as const;

async function online(h: Harness) {
  const { id, token } = h.gateway([gatewayItem(), deviceItem('a'), deviceItem('b'), probe]);
  const agent = await ScriptedAgent.connect(h.port, newAgent(id, token));
  await agent.expect('snapshot');
  agent.apply();
  await until(() => h.channel.presence(id).converged, 'converged');
  const events: string[] = [];
  h.channel.onPresence((gateway) => events.push(gateway));
  return { id, agent, events };
}

/** Sends a heartbeat and waits until it was taken in. */
async function beat(
  h: Harness,
  agent: ScriptedAgent,
  change: Parameters<ScriptedAgent['beat']>[1] = {},
): Promise<void> {
  const { agent: gateway } = agent.identity;
  const safeToStop = !h.channel.presence(gateway).safeToStop;
  agent.beat(h.time.clock(), { safeToStop, ...change });
  await until(() => h.channel.presence(gateway).safeToStop === safeToStop, 'heartbeat taken in');
}

test('a disconnected agent is alive for the grace time, and gone after it', async (t) => {
  const h = await startChannel(t);
  const { id, agent, events } = await online(h);
  await agent.cut();
  await until(() => !h.channel.presence(id).connected, 'disconnected');
  assert.equal(events.length, 1);
  h.time.advance(14_999);
  assert.equal(h.channel.presence(id).alive, true);
  assert.equal(events.length, 1);
  h.time.advance(1);
  assert.equal(h.channel.presence(id).alive, false);
  assert.deepEqual(events, [id, id]);

  await ScriptedAgent.connect(h.port, agent.identity, agent);
  assert.equal(h.channel.presence(id).alive, true);
  assert.equal(h.channel.presence(id).converged, true);
  assert.equal(events.length, 3);
});

test('listeners hear of each report of an agent, and of a newer handshake of a device', async (t) => {
  const h = await startChannel(t);
  const { id, agent } = await online(h);
  const reports: string[] = [];
  h.channel.onReport((about, what) => reports.push(`${what} ${about}`));
  const peer = { peer: 'a', rxBytes: 1, txBytes: 1, endpoint: null };
  await beat(h, agent, { peers: [{ ...peer, lastHandshake: h.time.clock() }] });
  await beat(h, agent, { peers: [{ ...peer, lastHandshake: h.time.clock() }] });
  assert.deepEqual(reports, ['handshake a', `report ${id}`, `report ${id}`]);
});

test('an agent that misses three heartbeats is not alive although its socket is open, and is cut later', async (t) => {
  const h = await startChannel(t);
  const { id, agent, events } = await online(h);
  h.time.advance(10_000);
  await beat(h, agent);
  events.length = 0;
  h.time.advance(29_999);
  assert.equal(h.channel.presence(id).alive, true);
  h.time.advance(1);
  assert.equal(h.channel.presence(id).alive, false);
  assert.equal(h.channel.presence(id).connected, true);
  assert.deepEqual(events, [id]);
  await beat(h, agent);
  assert.equal(h.channel.presence(id).alive, true);

  h.time.advance(60_000);
  await agent.closed();
  assert.equal(h.channel.presence(id).connected, false);
  assert.equal(h.channel.counters().ended.silent, 1);
});

test('a change on its way is no outage, and one that never arrives is', async (t) => {
  const h = await startChannel(t, { heartbeatMs: 600_000 });
  const { id, agent, events } = await online(h);
  h.time.advance(1_000);
  h.states.change(id, [deviceItem('c')]);
  await agent.expect('delta');
  h.time.advance(14_999);
  assert.equal(h.channel.presence(id).converged, true);
  h.time.advance(1);
  assert.equal(h.channel.presence(id).converged, false);
  assert.deepEqual(events, [id]);
  agent.apply();
  await until(() => h.channel.presence(id).converged, 'converged again');
  assert.deepEqual(h.channel.presence(id).applied, { ...agent.state, tookMs: 3 });
});

test('an agent that restarts on the same host is no outage while it reads its state, and a new host is', async (t) => {
  const h = await startChannel(t);
  const { id, agent } = await online(h);
  await agent.cut();
  const again = await ScriptedAgent.connect(h.port, agent.identity);
  assert.equal(h.channel.presence(id).converged, true);
  again.beat(h.time.clock(), { revision: null, hash: null, safeToStop: true });
  await until(() => h.channel.presence(id).safeToStop, 'heartbeat');
  h.time.advance(14_999);
  assert.equal(h.channel.presence(id).converged, true);
  h.time.advance(1);
  assert.equal(h.channel.presence(id).converged, false);
  again.apply();
  await until(() => h.channel.presence(id).converged, 'converged');

  await again.cut();
  await ScriptedAgent.connect(h.port, withNewKey(agent.identity));
  assert.equal(h.channel.presence(id).converged, false);
});

test('a state that was never desired does not count as converged', async (t) => {
  const h = await startChannel(t);
  const { id, token } = h.gateway();
  const agent = await ScriptedAgent.connect(h.port, newAgent(id, token));
  await agent.expect('snapshot');
  const revision = agent.state?.revision ?? { epoch: '', number: 0 };
  agent.send({ type: 'applied', revision, hash: 'f'.repeat(64), tookMs: 1 });
  await until(() => h.channel.presence(id).applied !== null, 'applied taken in');
  assert.equal(h.channel.presence(id).converged, false);
  assert.equal(h.directory.deployments.size, 0);
});

test('an error is shown and durable until a state is applied', async (t) => {
  const h = await startChannel(t);
  const { id, agent, events } = await online(h);
  agent.send({ type: 'failed', code: 'port-taken', message: 'UDP port 51820 is taken;\nfree it' });
  await until(() => h.channel.presence(id).error !== null, 'error');
  assert.equal(h.channel.presence(id).error, 'UDP port 51820 is taken; free it');
  await until(() => h.directory.facts.get(id)?.error === 'UDP port 51820 is taken; free it', 'durable error');
  await beat(h, agent);
  assert.notEqual(h.channel.presence(id).error, null);
  agent.apply();
  await until(() => h.channel.presence(id).error === null, 'error gone');
  h.time.advance(500);
  await until(() => h.directory.facts.get(id)?.error === null, 'durably');
  assert.ok(events.length >= 2);
  const writes = () => h.directory.writes.observed ?? 0;
  const before = writes();
  for (let n = 0; n < 30; n++) {
    agent.send({ type: 'failed', code: 'x', message: `no. ${n}` });
    agent.apply();
  }
  agent.send({ type: 'failed', code: 'x', message: 'the last' });
  await until(() => h.channel.presence(id).error === 'the last', 'all of it is heard');
  h.time.advance(1_000);
  await until(() => h.directory.facts.get(id)?.error === 'the last', 'the last is durable');
  assert.equal(writes(), before + 1);
});

test('an error from before a restart of the controller ends once the agent confirms its state', async (t) => {
  const h = await startChannel(t);
  const { id, token } = h.gateway();
  const identity = newAgent(id, token);
  const first = await ScriptedAgent.connect(h.port, identity);
  await first.expect('snapshot');
  await first.cut();
  h.directory.facts.set(id, { error: 'from before' });
  const agent = await ScriptedAgent.connect(h.port, identity, first);
  await agent.expect('lease');
  assert.equal(h.directory.facts.get(id)?.error, 'from before');
  await beat(h, agent);
  await until(() => h.directory.facts.get(id)?.error === null, 'error gone');
});

test('heartbeats count bytes across resets of the counters, and only devices of the gateway', async (t) => {
  const h = await startChannel(t);
  const { id, agent } = await online(h);
  const now = h.time.clock();
  const peer = (peer: string, rxBytes: number, txBytes: number, lastHandshake: number | null) => {
    return { peer, rxBytes, txBytes, lastHandshake, endpoint: null };
  };
  await beat(h, agent, {
    peers: [peer('a', 100, 10, now - 5_000), peer('b', 7, 0, null), peer('stranger', 999, 999, now)],
  });
  const first = { connectedDevices: 1, bytesIn: 107, bytesOut: 10, lastHandshake: now - 5_000 };
  assert.deepEqual(h.channel.presence(id).statistics, first);
  assert.equal(h.channel.deviceLastHandshake('a'), now - 5_000);
  assert.equal(h.channel.deviceLastHandshake('stranger'), null);

  h.time.advance(10_000);
  await beat(h, agent, { peers: [peer('a', 150, 12, now - 5_000)] });
  assert.equal(h.channel.presence(id).statistics.bytesIn, 157);
  h.time.advance(10_000);
  await beat(h, agent, { peers: [peer('a', 30, 1, now - 5_000)] });
  assert.equal(h.channel.presence(id).statistics.bytesIn, 187);
  assert.equal(h.channel.presence(id).statistics.bytesOut, 13);
  h.time.advance(180_000);
  assert.equal(h.channel.presence(id).statistics.connectedDevices, 0);
});

test('handshakes are reported by the clock of the controller, and a wrong clock is a warning', async (t) => {
  const h = await startChannel(t);
  const { id, agent } = await online(h);
  const ahead = h.time.clock() + 3_600_000;
  const peers = [{ peer: 'a', rxBytes: 1, txBytes: 1, lastHandshake: ahead - 2_000, endpoint: null }];
  await beat(h, agent, { sentAt: ahead, peers });
  await beat(h, agent, { sentAt: ahead });
  assert.equal(h.channel.deviceLastHandshake('a'), h.time.clock() - 2_000);
  assert.equal(h.warnings().filter((text) => text.includes('clock')).length, 1);
  assert.equal(h.channel.presence(id).statistics.connectedDevices, 1);
});

test('last contact and handshakes are written in batches, and not lost when the database fails', async (t) => {
  const h = await startChannel(t);
  const { id, agent } = await online(h);
  h.time.advance(4_000);
  const at = h.time.clock();
  await beat(h, agent, { peers: [{ peer: 'a', rxBytes: 1, txBytes: 1, lastHandshake: at, endpoint: null }] });
  assert.equal(h.directory.online.size, 0);
  h.directory.broken = true;
  h.time.advance(6_000);
  await until(() => h.warnings().length >= 2, 'both writes failed');
  h.directory.broken = false;
  h.time.advance(10_000);
  await until(() => h.directory.seen.size === 1, 'written');
  assert.equal(h.directory.online.get(id), at);
  assert.equal(h.directory.seen.get('tenant-1/a'), at);
  await beat(h, agent);
  await h.channel.stop();
  assert.equal(h.directory.online.get(id), h.time.clock());
  assert.equal(h.time.pending, 0);
});

test('the endpoint follows the source address and the port', async (t) => {
  const h = await startChannel(t);
  const { id, token } = h.gateway();
  const identity = newAgent(id, token);
  const agent = await ScriptedAgent.open(h.port, identity, { 'x-source': '::ffff:198.51.100.7' });
  await agent.authenticate();
  await until(() => h.directory.facts.get(id)?.discoveredEndpoint === '198.51.100.7:51820', 'IPv4 endpoint');
  h.states.change(id, [gatewayItem({ listenPort: 4500 })]);
  await until(() => h.directory.facts.get(id)?.discoveredEndpoint === '198.51.100.7:4500', 'new port');
  await agent.cut();
  const moved = await ScriptedAgent.open(h.port, identity, { 'x-source': '2001:DB8::7%eth0' });
  await moved.authenticate();
  await until(() => h.directory.facts.get(id)?.discoveredEndpoint === '[2001:db8::7]:4500', 'IPv6 endpoint');
});

test('waiting callers share one probe request, which ends without an answer in time', async (t) => {
  const h = await startChannel(t);
  const { id, agent } = await online(h);
  assert.equal(await h.channel.probe('nobody', 1_000), null);
  const answers = [h.channel.probe(id, 5_000), h.channel.probe(id, 5_000)];
  const { request } = await agent.expect('probe');
  const probes = [{ id: 'p1', resource: 'r1', reachable: true, detail: 'connected', rttMs: 2 }];
  agent.send({ type: 'probed', request: 'another', hash: null, probes: [] });
  agent.send({ type: 'probed', request, hash: agent.state?.hash ?? null, probes });
  assert.deepEqual(await Promise.all(answers), [probes, probes]);
  assert.deepEqual([...h.channel.presence(id).probes.keys()], ['p1']);

  const late = h.channel.probe(id, 5_000);
  await agent.expect('probe');
  h.time.advance(5_000);
  assert.equal(await late, null);
  const cut = h.channel.probe(id, 5_000);
  await agent.expect('probe');
  await agent.cut();
  assert.equal(await cut, null);
});
