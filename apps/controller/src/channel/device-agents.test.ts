import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import type { ProbeItem, RelayPointItem, StateItem } from '@sallyport/contract/channel';
import { type Harness, startChannel } from './testing/harness.ts';
import { until } from './testing/manual-time.ts';
import { clientItem, gatewayItem, peerItem } from './testing/memory-states.ts';
import { newAgent, ScriptedAgent } from './testing/scripted-agent.ts';

const [near, far] = [randomUUID(), randomUUID()];
const relayPoint = (id: string): RelayPointItem => {
  return { kind: 'relay-point', key: `relay-point/${id}`, id, endpoint: '192.0.2.1:52000' };
};
const probeItem = (id: string, resource: string): ProbeItem => {
  return { kind: 'probe', key: `probe/${id}`, id, resource, target: '10.0.0.1', port: 80 };
};

async function online(h: Harness, role: 'gateway' | 'device', items?: StateItem[]) {
  const { id, token } = role === 'device' ? h.device(items) : h.gateway(items);
  const agent = await ScriptedAgent.connect(h.port, newAgent(id, token, role));
  await agent.expect('snapshot');
  return { id, token, agent };
}

test('a device enrols, gets its state, follows it, and is shown as connected and converged', async (t) => {
  const h = await startChannel(t);
  const { id, agent } = await online(h, 'device');
  assert.equal(h.directory.row(id).identityKey, agent.identity.signer.publicKey);
  h.states.change(id, [peerItem(near)]);
  h.time.advance(20);
  await agent.expect('delta');
  assert.deepEqual([...agent.items.keys()], ['client', `peer/${near}`]);
  agent.apply();
  await until(() => h.channel.presence(id).converged, 'the device has applied its state');
  const { connected, alive, agent: said } = h.channel.presence(id);
  assert.deepEqual([connected, alive, said?.hostname], [true, true, 'host']);
  assert.equal(h.directory.deployments.size, 0, 'deployment is a matter of gateways');
  assert.equal(h.directory.facts.size, 0);
  await until(() => h.directory.told.has(id), 'the version of the client is told');
  assert.deepEqual(h.directory.told.get(id), { agentVersion: '0.1.0' });
});

test('neither role passes for the other, and refusals name the role of the agent', async (t) => {
  const h = await startChannel(t);
  const [gateway, device] = [h.gateway(), h.device()];
  const refusalOf = async (id: string, token: string, role: 'gateway' | 'device') => {
    const agent = await ScriptedAgent.open(h.port, newAgent(id, token, role));
    await agent.authenticate();
    return agent.expect('refused');
  };
  assert.equal((await refusalOf(gateway.id, gateway.token, 'device')).code, 'unknown-agent');
  assert.equal((await refusalOf(device.id, device.token, 'gateway')).code, 'unknown-agent');
  assert.equal((await refusalOf(device.id, gateway.token, 'device')).code, 'bad-token');
  h.directory.expired.add(device.id);
  const expired = await refusalOf(device.id, device.token, 'device');
  assert.deepEqual([expired.code, expired.final], ['expired-token', true]);
  h.directory.rows.set(device.id, 'deleted');
  assert.match((await refusalOf(device.id, device.token, 'device')).message, /device was removed/);
});

test('a deleted device is told at once, and again when it comes back', async (t) => {
  const h = await startChannel(t);
  const { id, agent } = await online(h, 'device');
  h.directory.rows.set(id, 'deleted');
  h.states.remove(id);
  const { code, final } = await agent.expect('refused');
  assert.deepEqual([code, final], ['deleted', true]);
  const back = await ScriptedAgent.open(h.port, agent.identity);
  await back.authenticate();
  assert.equal((await back.expect('refused')).code, 'deleted');
});

test('a posture is written at once, and one that keeps changing at intervals', async (t) => {
  const h = await startChannel(t);
  const { id, agent } = await online(h, 'device');
  const told = () => h.directory.told.get(id)?.posture;
  agent.send({ type: 'posture', facts: { diskEncrypted: true } });
  await until(() => told()?.diskEncrypted === true, 'the first posture');
  await until(() => h.directory.writes.deviceTold === 2, 'version and posture are written');
  for (let n = 0; n < 50; n++) agent.send({ type: 'posture', facts: { n } });
  agent.send({ type: 'find-path', peer: near, relay: false });
  let asked = 0;
  h.channel.onFindPath(() => void asked++);
  agent.send({ type: 'find-path', peer: near, relay: false });
  await until(() => asked > 0, 'everything before was heard');
  assert.deepEqual([h.directory.writes.deviceTold, told()], [2, { diskEncrypted: true }]);
  h.time.advance(10_000);
  await until(() => told()?.n === 49, 'the last posture is written with the others');
  assert.equal(h.directory.writes.deviceTold, 3);
});

test('a posture from a gateway, or probes from a device, violate the protocol', async (t) => {
  const h = await startChannel(t);
  const [gateway, device] = [await online(h, 'gateway'), await online(h, 'device')];
  gateway.agent.send({ type: 'posture', facts: {} });
  assert.equal((await gateway.agent.expect('refused')).code, 'bad-message');
  device.agent.send({ type: 'noticed', probes: [] });
  assert.equal((await device.agent.expect('refused')).code, 'bad-message');
});

test('paths and times to relays are those of desired peers, as last reported, and end with the connection', async (t) => {
  const h = await startChannel(t);
  const { id, agent } = await online(h, 'device', [clientItem(), peerItem(near), peerItem(far), relayPoint(near)]);
  const stranger = randomUUID();
  const direct = { peer: near, via: 'direct', rttMs: 2 } as const;
  agent.beat(h.time.clock(), {
    paths: [direct, { peer: far, via: near, rttMs: null }, { peer: stranger, via: 'direct', rttMs: 1 }],
    relays: [
      { gateway: near, rttMs: 3 },
      { gateway: far, rttMs: 4 },
    ],
  });
  await until(() => h.channel.paths(id).length > 0, 'the heartbeat');
  assert.deepEqual(h.channel.paths(id), [direct, { peer: far, via: near, rttMs: null }]);
  assert.deepEqual([...h.channel.relayTimes(id)], [[near, 3]]);
  h.states.change(id, [], [`peer/${far}`, `relay-point/${near}`]);
  assert.deepEqual(h.channel.paths(id), [direct]);
  assert.equal(h.channel.relayTimes(id).size, 0);
  h.states.change(id, [relayPoint(near)]);
  agent.beat(h.time.clock(), { paths: [], relays: [{ gateway: near, rttMs: null }] });
  await until(() => h.channel.paths(id).length === 0, 'the next heartbeat');
  assert.equal(h.channel.relayTimes(id).size, 0);
  agent.beat(h.time.clock(), { paths: [direct], relays: [] });
  await until(() => h.channel.paths(id).length === 1, 'the last heartbeat');
  await agent.cut();
  await until(() => !h.channel.presence(id).connected, 'it is gone');
  assert.deepEqual(h.channel.paths(id), []);
  assert.deepEqual(h.channel.paths(stranger), []);
});

test('an agent that finds no path is heard, and a connected one is told to punch', async (t) => {
  const h = await startChannel(t);
  const { id, agent } = await online(h, 'device');
  const gateway = await online(h, 'gateway');
  const heard: unknown[] = [];
  const stop = h.channel.onFindPath((record, { peer, relay }) => heard.push([record.role, record.id, peer, relay]));
  h.channel.onFindPath(() => {
    throw new Error('a listener that fails');
  });
  agent.send({ type: 'find-path', peer: gateway.id, relay: true });
  await until(() => heard.length === 1, 'find-path');
  assert.deepEqual(heard, [['device', id, gateway.id, true]]);
  assert.equal(h.warnings().length, 1);
  assert.equal(h.channel.punch(gateway.id, id, ['192.0.2.7:4711']), true);
  assert.deepEqual(await gateway.agent.expect('punch'), { type: 'punch', peer: id, endpoints: ['192.0.2.7:4711'] });
  assert.equal(h.channel.punch(randomUUID(), id, []), false);
  await gateway.agent.cut();
  await until(() => !h.channel.presence(gateway.id).connected, 'the gateway is gone');
  assert.equal(h.channel.punch(gateway.id, id, []), false);
  stop();
  agent.send({ type: 'find-path', peer: gateway.id, relay: true });
  await until(() => h.warnings().length === 2, 'the other listener still hears');
  assert.equal(heard.length, 1);
});

test('a resource is unreachable when all its probes fail, by the resource of the probe and not of the result', async (t) => {
  const told: unknown[] = [];
  const h = await startChannel(t, { unreachable: (tenant, gateway, ids) => told.push([tenant, gateway, ids]) });
  const { id, agent } = await online(h, 'gateway', [
    gatewayItem(),
    probeItem('a1', 'a'),
    probeItem('a2', 'a'),
    probeItem('b1', 'b'),
  ]);
  const result = (probe: string, reachable: boolean) => ({ id: probe, resource: 'lie', reachable, detail: '' });
  const { tenant } = h.directory.row(id);
  agent.send({ type: 'noticed', probes: [result('a1', false), result('b1', true), result('stranger', false)] });
  agent.send({ type: 'noticed', probes: [result('a2', false)] });
  await until(() => told.length === 1, 'both fail');
  assert.deepEqual(told, [[tenant, id, ['a']]]);
  h.time.advance(500);
  agent.beat(h.time.clock(), { probes: [result('b1', false)] });
  await until(() => told.length === 2, 'the other one fails too');
  assert.deepEqual(told[1], [tenant, id, ['a', 'b']]);
  h.states.change(id, [], ['probe/b1']);
  assert.equal(told.length, 2, 'not so soon');
  h.time.advance(1_000);
  assert.deepEqual(told[2], [tenant, id, ['a']]);
  h.time.advance(8_001);
  agent.send({ type: 'noticed', probes: [result('a1', true)] });
  await until(() => told.length === 4, 'one answers again');
  assert.deepEqual(told[3], [tenant, id, []]);
  const { length } = h.lines;
  for (let n = 0; n < 50; n++)
    agent.send({ type: 'noticed', probes: [result('a1', n % 2 === 1), result('a2', false)] });
  agent.send({ type: 'failed', code: 'x', message: 'after all of it' });
  await until(() => h.lines.length > length, 'everything before was heard');
  assert.equal(told.length, 5, 'a loss is told once and at once; a recovery waits');
  agent.send({ type: 'noticed', probes: [result('a1', false)] });
  agent.send({ type: 'failed', code: 'x', message: 'after that too' });
  await until(() => h.lines.length > length + 1, 'that is heard');
  h.time.advance(500);
  assert.deepEqual(told.slice(4), [[tenant, id, ['a']]]);
});

test('what a gateway could not reach at another process counts until it has a result here', async (t) => {
  const told: unknown[] = [];
  const h = await startChannel(t, {
    unreachable: (_tenant, _gateway, ids) => told.push(ids),
    knownUnreachable: () => ['a', 'b'],
  });
  const { agent } = await online(h, 'gateway', [gatewayItem(), probeItem('a', 'a'), probeItem('b', 'b')]);
  const result = (id: string, reachable: boolean) => ({ id, resource: id, reachable, detail: '' });
  agent.send({ type: 'noticed', probes: [result('a', false)] });
  agent.send({ type: 'noticed', probes: [result('b', true)] });
  await until(() => told.length === 1, 'one answers');
  assert.deepEqual(told, [['a']]);
});
