import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request } from 'node:http';
import { connect } from 'node:net';
import { test } from 'node:test';
import { type AgentMessage, channelPath, channelProtocol } from '@sallyport/contract/channel';
import { newSigner } from './testing/agent-keys.ts';
import { type Harness, startChannel } from './testing/harness.ts';
import { until } from './testing/manual-time.ts';
import { newAgent, ScriptedAgent } from './testing/scripted-agent.ts';

const key = Buffer.alloc(32, 1).toString('base64');
const hello = (agent: string) => {
  const keys = { nonce: key, ephemeral: key, identityKey: key };
  return { type: 'hello', protocol: 3, role: 'gateway', agent, ...keys, agentVersion: '1' } as const;
};

const host = { hostname: 'h', os: 'o', kernel: 'k', wireguard: 'memory' } as const;

async function online(h: Harness) {
  const { id, token } = h.gateway();
  const agent = await ScriptedAgent.connect(h.port, newAgent(id, token));
  await agent.expect('snapshot');
  return { id, token, agent };
}

/** HTTP status of an upgrade that was not let in. */
async function upgradeStatus(port: number, path: string, headers: Record<string, string> = {}): Promise<number> {
  const upgrade = {
    connection: 'upgrade',
    upgrade: 'websocket',
    'sec-websocket-version': '13',
    'sec-websocket-key': key.slice(0, 22).concat('=='),
  };
  const sent = request({ host: '127.0.0.1', port, path, headers: { ...upgrade, ...headers } });
  sent.end();
  const [response] = await once(sent, 'response');
  response.resume();
  return response.statusCode;
}

/** Asks for the WebSocket and says nothing more. */
function silentUpgrade(port: number, source: string) {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => {});
  const headers = ['Host: h', 'Connection: upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13'];
  const named = [`Sec-WebSocket-Key: ${key.slice(0, 22)}==`, `X-Source: ${source}`];
  socket.write(`${[`GET ${channelPath} HTTP/1.1`, ...headers, ...named].join('\r\n')}\r\n\r\n`);
  return socket;
}

test('frames that are no messages end the connection and change nothing', async (t) => {
  const h = await startChannel(t);
  const frames: (string | Buffer)[] = [
    'garbage',
    '{"type":"hello"}',
    '[]',
    'null',
    '{"type":"nonsense"}',
    JSON.stringify({ ...hello(h.gateway().id), extra: true }),
    Buffer.from(JSON.stringify(hello(h.gateway().id))),
    JSON.stringify({ type: 'applied', revision: { epoch: 'e', number: 1 }, hash: 'f'.repeat(64), tookMs: 1 }),
  ];
  for (const [i, frame] of frames.entries()) {
    const peer = await ScriptedAgent.open(h.port, newAgent(h.gateway().id), { 'x-source': `192.0.2.${i}` });
    peer.ws.send(frame);
    const refused = await peer.expect('refused');
    assert.deepEqual([refused.code, refused.final], ['bad-message', false]);
    assert.equal(await peer.closed(), 1008);
  }
  const { id, agent } = await online(h);
  agent.sendText('{"type":"applied"}');
  assert.equal((await agent.expect('refused')).code, 'bad-message');
  await agent.closed();
  assert.equal(h.channel.presence(id).connected, false);
  assert.equal(h.channel.presence(id).applied, null);
});

test('another protocol number is refused before anything else', async (t) => {
  const h = await startChannel(t);
  const peer = await ScriptedAgent.open(h.port, newAgent(h.gateway().id));
  peer.send({ ...hello(peer.identity.agent), protocol: 99 });
  assert.equal((await peer.expect('refused')).code, 'protocol');
});

test('a refused protocol number says which side to upgrade', async (t) => {
  const h = await startChannel(t);
  const messageFor = async (protocol: number) => {
    const peer = await ScriptedAgent.open(h.port, newAgent(h.gateway().id));
    peer.send({ ...hello(peer.identity.agent), protocol });
    const { message, final } = await peer.expect('refused');
    assert.equal(final, false, 'the agent tries again after an upgrade');
    return message;
  };
  assert.match(await messageFor(channelProtocol + 1), /newer than the controller .*: upgrade the controller first$/);
  assert.match(await messageFor(channelProtocol - 2), /too old for the controller .*: upgrade the agent$/);
});

test('a frame too large for a stranger cuts the connection, and so does one above the limit of agents', async (t) => {
  const h = await startChannel(t, { limits: { frameBytes: 100_000 } });
  const stranger = await ScriptedAgent.open(h.port, newAgent(h.gateway().id));
  stranger.ws.send('x'.repeat(50_000));
  await stranger.closed();
  assert.equal(h.channel.counters().ended['bad-message'], 1);
  const { id, agent } = await online(h);
  agent.send({ type: 'need-snapshot', reason: 'x'.repeat(200_000) });
  assert.equal(await agent.closed(), 1009);
  await until(() => !h.channel.presence(id).connected, 'cut');
});

test('invalid UTF-8 in a text frame cuts the connection', async (t) => {
  const h = await startChannel(t);
  const { agent } = await online(h);
  agent.ws.send(Buffer.from([0xc3, 0x28]), { binary: false });
  assert.equal(await agent.closed(), 1007);
});

test('a signature of another key, or of the other side, proves nothing', async (t) => {
  const h = await startChannel(t);
  const { id, token, agent } = await online(h);
  await agent.cut();
  const forged = { ...agent.identity, signer: { ...newSigner(), publicKey: agent.identity.signer.publicKey } };
  const forger = await ScriptedAgent.open(h.port, forged);
  await forger.authenticate();
  assert.equal((await forger.expect('refused')).code, 'bad-signature');

  const mirror = await ScriptedAgent.open(h.port, newAgent(id, token));
  await mirror.greet({ identityKey: h.identity.publicKey });
  const [challenge] = mirror.received;
  assert.ok(challenge?.type === 'challenge');
  mirror.send({
    type: 'authenticate',
    signature: challenge.signature,
    wireguardPublicKey: key,
    wireguardProof: key,
    host,
  });
  assert.equal((await mirror.expect('refused')).code, 'bad-signature');
  assert.equal(h.channel.presence(id).connected, false);
});

test('the proof of one connection is not valid on another', async (t) => {
  const h = await startChannel(t);
  const { agent } = await online(h);
  await agent.cut();
  const { wireguardPublicKey } = agent.identity;
  const first = await ScriptedAgent.open(h.port, agent.identity);
  const signature = await first.greet();
  const replay = await ScriptedAgent.open(h.port, agent.identity);
  await replay.greet();
  replay.send({ type: 'authenticate', signature, wireguardPublicKey, wireguardProof: key, host });
  assert.equal((await replay.expect('refused')).code, 'bad-signature');
  first.send({ type: 'authenticate', signature, wireguardPublicKey, wireguardProof: first.possession, host });
  await first.expect('welcome');
});

test('a peer that does not finish the handshake is cut when its time is over', async (t) => {
  const h = await startChannel(t);
  const silent = await ScriptedAgent.open(h.port, newAgent(h.gateway().id));
  const half = await ScriptedAgent.open(h.port, newAgent(h.gateway().id));
  half.send(hello(half.identity.agent));
  await half.expect('challenge');
  assert.equal(h.channel.counters().handshaking, 2);
  h.time.advance(9_999);
  assert.deepEqual(h.channel.counters().ended, {});
  h.time.advance(1);
  await Promise.all([silent.closed(), half.closed()]);
  assert.deepEqual(h.channel.counters().ended, { 'handshake-time': 2 });
  assert.equal(h.channel.counters().handshaking, 0);
});

test('a source that fails too often is refused for a while, and others are not', async (t) => {
  const h = await startChannel(t, { limits: { failures: 3 } });
  const from = (source: string) => ({ 'x-source': source });
  for (let i = 0; i < 3; i++) {
    const peer = await ScriptedAgent.open(h.port, newAgent(h.gateway().id), from(`2001:db8:0:1::${i}`));
    peer.ws.send('garbage');
    await peer.closed();
  }
  assert.equal(await upgradeStatus(h.port, channelPath, from('2001:db8:0:1::99')), 429);
  await ScriptedAgent.open(h.port, newAgent(h.gateway().id), from('2001:db8:0:2::1'));
  h.time.advance(6_000);
  await ScriptedAgent.open(h.port, newAgent(h.gateway().id), from('2001:db8:0:1::99'));
  assert.equal(h.channel.counters().limited, 1);
});

test('handshakes of one source wait their turn, and above the limit they are refused', async (t) => {
  const h = await startChannel(t, { limits: { handshakesPerSource: 2, waitingUpgrades: 1 } });
  const open = (source: string) => ScriptedAgent.open(h.port, newAgent(h.gateway().id), { 'x-source': source });
  const [first] = [await open('192.0.2.1'), await open('192.0.2.1')];
  let third: ScriptedAgent | null = null;
  const opening = open('192.0.2.1').then((agent) => {
    third = agent;
  });
  await until(() => h.channel.counters().waiting === 1, 'third waits');
  assert.equal(await upgradeStatus(h.port, channelPath, { 'x-source': '192.0.2.1' }), 503);
  assert.equal(third, null);
  await first.cut();
  await opening;
  assert.notEqual(third, null);
});

const applied = (n: number): AgentMessage => {
  return { type: 'applied', revision: { epoch: 'forged', number: n }, hash: 'f'.repeat(64), tookMs: n };
};
const tampering: Record<string, (agent: ScriptedAgent) => (string | Uint8Array)[]> = {
  'a report in the clear': () => [JSON.stringify(applied(1))],
  'a report in the clear, in a binary frame': () => [Buffer.from(JSON.stringify(applied(1)))],
  'a frame sent twice': (agent) => {
    const frame = agent.seal({ type: 'need-snapshot', reason: 'r' });
    return [frame, frame];
  },
  'two frames swapped': (agent) => [agent.seal(applied(1)), agent.seal(applied(2))].reverse(),
  'a frame held back': (agent) => [agent.seal(applied(1)), agent.seal(applied(2))].slice(1),
  'a frame cut short': (agent) => [agent.seal(applied(1)).subarray(0, -1)],
  'a frame with a flipped bit': (agent) => [agent.seal(applied(1)).map((byte, at) => (at === 20 ? byte ^ 1 : byte))],
  'an empty frame': () => [new Uint8Array(0)],
  'a frame of the controller sent back': (agent) => [agent.wire.findLast((frame) => frame[0] !== 0x7b) ?? ''],
};
for (const [what, tamper] of Object.entries(tampering)) {
  test(`on the way, ${what}: the connection ends and nothing changes`, async (t) => {
    const h = await startChannel(t);
    const { id, agent } = await online(h);
    for (const frame of tamper(agent)) agent.sendFrame(frame);
    await agent.closed();
    assert.equal(h.channel.counters().ended['bad-message'], 1);
    assert.equal(h.channel.presence(id).applied, null);
  });
}

test('a relay of an enrolment reads neither the token nor the WireGuard key, and cannot swap them', async (t) => {
  const h = await startChannel(t);
  const { id, token } = h.gateway();
  const agent = await ScriptedAgent.connect(h.port, newAgent(id, token));
  await agent.expect('snapshot');
  const wire = Buffer.concat(agent.wire).toString('latin1');
  assert.ok(wire.includes(agent.identity.signer.publicKey), 'hello is in the clear');
  // The secret may contain the separator itself.
  const secret = token.split('_').slice(2).join('_');
  for (const hidden of [secret, token, agent.identity.wireguardPublicKey, 'Debian', 'snapshot', 'welcome']) {
    assert.ok(!wire.includes(hidden), hidden);
  }
  const before = h.directory.row(id).wireguardPublicKey;
  const back = await ScriptedAgent.open(h.port, agent.identity);
  const signature = await back.greet();
  back.sendFrame(JSON.stringify({ type: 'authenticate', signature, wireguardPublicKey: key, host }));
  await back.closed();
  assert.equal(h.directory.row(id).wireguardPublicKey, before);
});

test('silent upgrades from a few addresses do not keep an agent out', async (t) => {
  const h = await startChannel(t, { limits: { handshakes: 12, handshakesPerSource: 4, waitingUpgrades: 40 } });
  const from = (source: string) => ({ 'x-source': source });
  const silent = [];
  for (let n = 0; n < 12; n++) {
    silent.push(await ScriptedAgent.open(h.port, newAgent(h.gateway().id), from(`192.0.2.${n % 3}`)));
  }
  const waiting = Array.from({ length: 40 }, (_, n) => silentUpgrade(h.port, `192.0.2.${n % 4}`));
  await until(() => h.channel.counters().waiting >= 30, 'the queue is long');
  h.time.advance(250);
  const { id, token } = h.gateway();
  const agent = await ScriptedAgent.open(h.port, newAgent(id, token), from('198.51.100.1'));
  await agent.authenticate();
  await agent.expect('welcome');
  assert.ok((h.channel.counters().ended.evicted ?? 0) > 0);
  for (const socket of waiting) socket.destroy();
  for (const peer of silent) peer.ws.terminate();
  await until(() => h.channel.counters().waiting === 0, 'the gone wait no longer');
});

test('a waiting peer that leaves, or sends before its turn, is dropped', async (t) => {
  const h = await startChannel(t, { limits: { handshakes: 1 } });
  await ScriptedAgent.open(h.port, newAgent(h.gateway().id));
  const waiting = Array.from({ length: 3 }, () => silentUpgrade(h.port, '127.0.0.1'));
  await until(() => h.channel.counters().waiting === 3, 'they wait');
  waiting[0]?.end();
  waiting[1]?.resetAndDestroy();
  waiting[2]?.write('x');
  await until(() => h.channel.counters().waiting === 0, 'they wait no longer');
  waiting[2]?.destroy();
});

test('an agent has a bounded rate of bytes, and a heartbeat about ten thousand devices fits', async (t) => {
  const h = await startChannel(t);
  const { id, agent } = await online(h);
  const peers = Array.from({ length: 10_000 }, (_, n) => ({
    peer: `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`,
    rxBytes: Number.MAX_SAFE_INTEGER,
    txBytes: Number.MAX_SAFE_INTEGER,
    lastHandshake: h.time.clock(),
    endpoint: '[2001:db8:ffff:ffff:ffff:ffff:ffff:ffff]:65535',
  }));
  for (let beat = 0; beat < 6; beat++) {
    agent.beat(h.time.clock(), { peers });
    await until(() => h.channel.presence(id).lastSeen === h.time.clock(), 'heard');
    h.time.advance(10_000);
  }
  assert.equal(agent.closeCode, null);
  for (let n = 0; n < 20; n++) agent.beat(h.time.clock(), { peers });
  assert.equal((await agent.expect('refused')).code, 'busy');
  await agent.closed();
});

test('an agent that floods is cut, the others are served', async (t) => {
  const h = await startChannel(t);
  const { agent } = await online(h);
  const other = await online(h);
  for (let i = 0; i < 1_000; i++) agent.beat(h.time.clock());
  assert.equal((await agent.expect('refused')).code, 'busy');
  await agent.closed();
  other.agent.apply();
  await until(() => h.channel.presence(other.id).converged, 'the other is served');
});

test('other paths and plain sockets are not handled', async (t) => {
  const h = await startChannel(t);
  assert.equal(await upgradeStatus(h.port, '/elsewhere'), 404);
  assert.equal(await upgradeStatus(h.port, `/qa${channelPath}`), 404);
  const raw = connect(h.port, '127.0.0.1');
  raw.write(`GET ${channelPath} HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n`);
  await once(raw, 'data');
  raw.destroy();
  await until(() => h.channel.counters().handshaking === 0, 'the broken upgrade gave its place back');
});
