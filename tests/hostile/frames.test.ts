import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AgentMessage, type AgentRole, channelPath, LiveMessage, liveBounds } from '@sallyport/contract/channel';
import { WebSocket } from 'ws';
import { type Harness, startChannel } from '../../apps/controller/src/channel/testing/harness.ts';
import { until } from '../../apps/controller/src/channel/testing/manual-time.ts';
import { deviceItem } from '../../apps/controller/src/channel/testing/memory-states.ts';
import { newAgent, ScriptedAgent } from '../../apps/controller/src/channel/testing/scripted-agent.ts';

const nothing = { peers: [], policies: [], dropped: {}, probes: [], paths: [], relays: [], safeToStop: false };
const heartbeat = { type: 'heartbeat', sentAt: 1, revision: null, hash: null, ...nothing };
const lists = ['peers', 'policies', 'probes', 'paths', 'relays'] as const;

async function online(h: Harness, role: AgentRole) {
  const { id, token } = role === 'gateway' ? h.gateway() : h.device();
  const agent = await ScriptedAgent.connect(h.port, newAgent(id, token, role));
  await agent.expect('snapshot');
  return { id, agent };
}

/** A heartbeat with one list of this many elements, built as text, so that no such object exists here. */
function heartbeatWith(field: string, element: string, count: number): string {
  const text = JSON.stringify({ ...heartbeat, [field]: '@' });
  return text.replace('"@"', `[${Array(count).fill(element).join(',')}]`);
}

function issuesOf(schema: { safeParse(value: unknown): { error?: { issues: unknown[] } } }, text: string): number {
  return schema.safeParse(JSON.parse(text)).error?.issues.length ?? 0;
}

test('a list of a million wrong elements gives one issue, and a list of the maximum length gives twenty', () => {
  for (const field of lists) {
    for (const schema of [AgentMessage, LiveMessage.gateway]) {
      assert.equal(issuesOf(schema, heartbeatWith(field, '{}', 1_000_000)), 1, field);
      assert.ok(issuesOf(schema, heartbeatWith(field, '[]', 5_000)) <= 20, field);
    }
  }
  const dropped = Object.fromEntries(Array.from({ length: 100_000 }, (_, i) => [i, '']));
  assert.equal(issuesOf(LiveMessage.gateway, JSON.stringify({ ...heartbeat, dropped })), 1);
});

test('a frame of four megabytes with a million wrong elements ends its connection only', async (t) => {
  const h = await startChannel(t);
  const honest = await online(h, 'gateway');
  for (const role of ['gateway', 'device'] as const) {
    for (const [field, element] of [
      ['peers', '{}'],
      ['peers', '0'],
      ['paths', '[]'],
      ['probes', '{"id":0}'],
    ] as const) {
      const { id, agent } = await online(h, role);
      agent.sendText(heartbeatWith(field, element, Math.floor(4_100_000 / (element.length + 1))));
      await agent.closed();
      await until(() => !h.channel.presence(id).connected, `${role} with ${field} is gone`);
    }
  }
  h.states.change(honest.id, [deviceItem('new')]);
  h.time.advance(1_000);
  assert.deepEqual((await honest.agent.expect('delta')).upserts, [deviceItem('new')]);
});

test('endless text, deep or wide JSON, and too many keys are refused as messages', async (t) => {
  const h = await startChannel(t);
  const beat = JSON.stringify(heartbeat).slice(0, -1);
  const texts = [
    `${'['.repeat(200_000)}`,
    `${beat},"x":${'['.repeat(100_000)}${']'.repeat(100_000)}}`,
    `${beat},${Array.from({ length: 20_000 }, (_, i) => `"${i}":0`).join(',')}}`,
    `${beat.replace('"dropped":{}', `"dropped":{${Array.from({ length: 15_000 }, (_, i) => `"${i}":0`).join(',')}}`)}}`,
    `"${'x'.repeat(250_000)}`,
    `${beat},"hash":"${'x'.repeat(200_000)}"}`,
  ];
  for (const text of texts) {
    const { agent } = await online(h, 'device');
    agent.sendText(text);
    assert.equal((await agent.expect('refused')).code, 'bad-message', text.slice(-60));
    await agent.closed();
  }
});

test('a device is disconnected before the end of a frame that is too large for its role', async (t) => {
  const h = await startChannel(t);
  const { id, agent } = await online(h, 'device');
  const header = Buffer.alloc(14);
  header.set([0x82, 0xff]);
  header.writeBigUInt64BE(4_000_000n, 2);
  const { _socket: socket } = agent.ws as unknown as { _socket: NodeJS.WritableStream };
  socket.write(header);
  socket.write(Buffer.alloc(liveBounds.device.length + 300_000));
  await agent.closed();
  await until(() => !h.channel.presence(id).connected, 'the device is gone');
  assert.equal(h.channel.counters().ended['bad-message'], 1);
});

test('a well-formed message of another role or phase ends the connection', async (t) => {
  const h = await startChannel(t);
  const posture = { type: 'posture', facts: {} };
  const probed = { type: 'probed', request: 'r', hash: null, probes: [] };
  const wrong: [AgentRole, object][] = [
    ['gateway', posture],
    ['device', probed],
    ['device', { type: 'noticed', probes: [] }],
    ['gateway', { type: 'authenticate' }],
  ];
  for (const [role, message] of wrong) {
    const { agent } = await online(h, role);
    agent.sendText(JSON.stringify(message));
    assert.equal((await agent.expect('refused')).code, 'bad-message', JSON.stringify(message));
    await agent.closed();
  }
});

test('an agent can send only a few kilobytes before its proof, plain or sealed', async (t) => {
  const h = await startChannel(t);
  const stranger = new WebSocket(`ws://127.0.0.1:${h.port}${channelPath}`);
  const closed = new Promise((resolve) => stranger.on('close', resolve).on('error', () => {}));
  stranger.on('open', () => stranger.send(JSON.stringify({ type: 'hello', x: 'x'.repeat(5_000) })));
  await closed;
  const { id, token } = h.gateway();
  const agent = await ScriptedAgent.open(h.port, newAgent(id, token));
  await agent.greet();
  agent.sendText(JSON.stringify({ type: 'authenticate', extra: 'x'.repeat(5_000) }));
  assert.equal((await agent.expect('refused')).code, 'bad-message');
  assert.equal(h.channel.counters().ended['bad-message'], 2);
});

test('the largest honest heartbeats are accepted: 10,000 devices of a gateway, 500 gateways of a device', async (t) => {
  const h = await startChannel(t);
  const uuid = (n: number) => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`;
  const peers = (count: number) =>
    Array.from({ length: count }, (_, n) => ({
      peer: uuid(n),
      rxBytes: Number.MAX_SAFE_INTEGER,
      txBytes: Number.MAX_SAFE_INTEGER,
      lastHandshake: 1_800_000_000_000,
      endpoint: '[2001:db8:ffff:ffff:ffff:ffff:ffff:ffff]:65535',
    }));
  const gateway = await online(h, 'gateway');
  const probes = peers(2_000).map(({ peer }) => ({
    id: peer,
    resource: peer,
    reachable: true,
    detail: 'x'.repeat(100),
  }));
  const policies = peers(2_000).map(({ peer }) => ({ policy: peer, packets: 1e15, bytes: 1e15 }));
  gateway.agent.beat(h.time.clock(), { peers: peers(10_000), probes, policies });
  const device = await online(h, 'device');
  const paths = peers(500).map(({ peer }) => ({ peer, via: peer, rttMs: 12.345678 }));
  const relays = peers(500).map(({ peer }) => ({ gateway: peer, rttMs: 12.345678 }));
  device.agent.beat(h.time.clock(), { peers: peers(500), paths, relays });
  for (const { id, agent } of [gateway, device]) {
    // In order: the heartbeat was accepted before the state in force is known.
    agent.apply();
    await until(() => h.channel.presence(id).applied !== null || agent.closeCode !== null, 'word after the heartbeat');
    assert.equal(agent.closeCode, null);
  }
});
