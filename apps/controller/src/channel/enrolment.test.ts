import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startChannel } from './testing/harness.ts';
import { until } from './testing/manual-time.ts';
import { deviceItem } from './testing/memory-states.ts';
import { newAgent, ScriptedAgent, withNewKey } from './testing/scripted-agent.ts';

test('an agent with the token enrols, gets everything, and is online once it has applied it', async (t) => {
  const h = await startChannel(t);
  const { id, token } = h.gateway();
  const identity = newAgent(id, token);
  const agent = await ScriptedAgent.connect(h.port, identity);
  await agent.expect('snapshot');
  assert.equal(agent.items.size, 1);
  assert.equal(agent.leaseUntil, h.time.clock() + 86_400_000);
  assert.equal(h.directory.row(id).identityKey, identity.signer.publicKey);
  assert.equal(h.directory.row(id).wireguardPublicKey, identity.wireguardPublicKey);
  assert.equal(h.channel.presence(id).alive, true);
  assert.equal(h.channel.presence(id).converged, false);

  agent.apply();
  await until(() => h.channel.presence(id).converged, 'converged');
  await until(() => h.directory.deployments.has(id), 'deployed');
  assert.deepEqual(h.directory.facts.get(id), { discoveredEndpoint: '127.0.0.1:51820', error: null });
  assert.equal(h.channel.presence(id).agent?.hostname, 'host');
  assert.equal(h.channel.counters().connected, 1);
  assert.equal(h.channel.counters().handshaking, 0);
});

test('after enrolment only the identity admits, and the token does not', async (t) => {
  const h = await startChannel(t);
  const { id, token } = h.gateway();
  const identity = newAgent(id, token);
  const first = await ScriptedAgent.connect(h.port, identity);
  await first.cut();

  const thief = await ScriptedAgent.open(h.port, newAgent(id, token));
  await thief.authenticate();
  const refused = await thief.expect('refused');
  assert.deepEqual([refused.code, refused.final], ['already-enrolled', true]);
  await thief.closed();
  assert.match(h.warnings().join(), /second agent came with the token/);

  const stranger = await ScriptedAgent.open(h.port, newAgent(id));
  await stranger.authenticate();
  assert.equal((await stranger.expect('refused')).code, 'bad-identity');

  const { token: _, ...withoutToken } = identity;
  const back = await ScriptedAgent.connect(h.port, withoutToken);
  await back.expect('snapshot');
  assert.equal(h.directory.row(id).identityKey, identity.signer.publicKey);
  assert.equal(h.directory.writes.enrol, 2);
});

test('a host with the WireGuard key of a device is refused, at enrolment and later', async (t) => {
  const h = await startChannel(t);
  const { id, token } = h.gateway();
  const identity = newAgent(id, token);
  h.directory.deviceKeys.add(identity.wireguardPublicKey);
  const copy = await ScriptedAgent.open(h.port, identity);
  await copy.authenticate();
  const refused = await copy.expect('refused');
  assert.deepEqual([refused.code, refused.final], ['key-taken', true]);
  assert.equal(h.directory.row(id).identityKey, null);

  const own = await ScriptedAgent.connect(h.port, withNewKey(identity));
  await own.cut();
  const again = await ScriptedAgent.open(h.port, identity);
  await again.authenticate();
  assert.equal((await again.expect('refused')).code, 'key-taken');
  assert.equal(h.directory.row(id).wireguardPublicKey, own.identity.wireguardPublicKey);
});

test('a wrong token for an enrolled gateway reveals nothing', async (t) => {
  const h = await startChannel(t);
  const { id, token } = h.gateway();
  await ScriptedAgent.connect(h.port, newAgent(id, token));
  const wrong = token.replace(/_[A-Za-z0-9_-]{43}_/, `_${'A'.repeat(43)}_`);
  const guesser = await ScriptedAgent.open(h.port, newAgent(id, wrong));
  await guesser.authenticate();
  assert.equal((await guesser.expect('refused')).code, 'bad-token');
});

test('each agent that may not enrol is refused, and nothing changes', async (t) => {
  const h = await startChannel(t);
  const mine = h.gateway();
  const other = h.gateway();
  const gone = h.gateway();
  h.directory.rows.set(gone.id, 'deleted');
  const unknown = 'a2c1b6a4-7d1f-4c0e-9a53-0c9f54b6d001';
  const cases = [
    { agent: newAgent(mine.id), code: 'bad-token', final: true },
    { agent: newAgent(mine.id, 'nonsense'), code: 'bad-token', final: true },
    { agent: newAgent(mine.id, other.token), code: 'bad-token', final: true },
    { agent: newAgent(unknown, mine.token), code: 'unknown-agent', final: true },
    { agent: newAgent(gone.id, gone.token), code: 'deleted', final: true },
    {
      agent: { ...newAgent(mine.id, mine.token), wireguardPublicKey: `${'A'.repeat(43)}=` },
      code: 'bad-possession',
      final: false,
    },
  ];
  for (const { agent, code, final } of cases) {
    const peer = await ScriptedAgent.open(h.port, agent);
    await peer.authenticate();
    const refused = await peer.expect('refused');
    assert.deepEqual([refused.code, refused.final], [code, final]);
    assert.equal(await peer.closed(), 1008);
  }
  assert.equal(h.directory.row(mine.id).identityKey, null);
  assert.equal(h.directory.row(other.id).identityKey, null);
  assert.equal(h.channel.presence(mine.id).lastSeen, null);
});

test('a host that was rebuilt with the identity brings its new WireGuard key', async (t) => {
  const h = await startChannel(t);
  const { id, token } = h.gateway();
  const identity = newAgent(id, token);
  await (await ScriptedAgent.connect(h.port, identity)).cut();
  const moved = withNewKey(identity);
  await ScriptedAgent.connect(h.port, moved);
  assert.equal(h.directory.row(id).wireguardPublicKey, moved.wireguardPublicKey);
});

test('a failing directory refuses for now, and admits when it is back', async (t) => {
  const h = await startChannel(t);
  const { id, token } = h.gateway();
  h.directory.broken = true;
  const identity = newAgent(id, token);
  const early = await ScriptedAgent.open(h.port, identity);
  await early.authenticate();
  const refused = await early.expect('refused');
  assert.deepEqual([refused.code, refused.final], ['busy', false]);
  h.directory.broken = false;
  await ScriptedAgent.connect(h.port, identity);
});

test('a newer connection with the same identity takes over, and an operator is warned', async (t) => {
  const h = await startChannel(t);
  const { id, token } = h.gateway();
  const identity = newAgent(id, token);
  const older = await ScriptedAgent.connect(h.port, identity);
  await older.expect('snapshot');
  const newer = await ScriptedAgent.connect(h.port, identity);
  assert.equal((await older.expect('refused')).code, 'taken-over');
  await older.closed();
  await until(() => h.channel.counters().takenOver === 1, 'counted');
  assert.match(h.warnings().join(), /two agents with the same identity/);
  assert.equal(h.channel.presence(id).connected, true);
  await newer.expect('snapshot');
  h.time.advance(100);
  h.states.change(id, [deviceItem('a')]);
  await newer.expect('delta');
});

test('an agent that returns before its dead connection is noticed raises no alert', async (t) => {
  const h = await startChannel(t);
  const { id, token } = h.gateway();
  const identity = newAgent(id, token);
  const dead = await ScriptedAgent.connect(h.port, identity);
  dead.ws.pause();
  const back = await ScriptedAgent.connect(h.port, identity);
  await back.expect('snapshot');
  assert.equal(h.channel.counters().ended['taken-over'], 1);
  h.time.advance(2_000);
  back.apply();
  await until(() => h.channel.presence(id).converged, 'converged');
  dead.ws.terminate();
  await dead.closed();
  assert.deepEqual(h.warnings(), []);
  assert.equal(h.channel.presence(id).connected, true);
});

test('deletion tells the agent to undo everything', async (t) => {
  const h = await startChannel(t);
  const { id, token } = h.gateway();
  const agent = await ScriptedAgent.connect(h.port, newAgent(id, token));
  await agent.expect('snapshot');
  h.directory.rows.set(id, 'deleted');
  h.states.remove(id);
  const refused = await agent.expect('refused');
  assert.deepEqual([refused.code, refused.final], ['deleted', true]);
  await agent.closed();
  assert.equal(h.channel.presence(id).lastSeen, null);
});

test('a re-key ends the identity, keeps the status while the lease lasts, and lets the next agent enrol', async (t) => {
  const h = await startChannel(t);
  const { id, token } = h.gateway();
  const agent = await ScriptedAgent.connect(h.port, newAgent(id, token));
  agent.apply();
  await until(() => h.channel.presence(id).converged, 'converged');

  h.directory.row(id).identityKey = null;
  h.states.emit(id, { kind: 'rekeyed' });
  await agent.expect('snapshot');
  assert.equal((await agent.expect('refused')).code, 'bad-identity');
  h.time.advance(3_600_000);
  assert.deepEqual(pick(h.channel.presence(id)), { connected: false, alive: true, converged: true });
  h.time.advance(86_400_000);
  assert.equal(h.channel.presence(id).alive, false);

  const next = await ScriptedAgent.connect(h.port, newAgent(id, token));
  await next.expect('snapshot');
  assert.deepEqual(pick(h.channel.presence(id)), { connected: true, alive: true, converged: false });
});

function pick({ connected, alive, converged }: { connected: boolean; alive: boolean; converged: boolean }) {
  return { connected, alive, converged };
}

test('an agent whose gateway is re-keyed while its state loads is not admitted', async (t) => {
  const h = await startChannel(t);
  const { id, token } = h.gateway();
  const first = await ScriptedAgent.connect(h.port, newAgent(id, token));
  await first.cut();
  const current = h.states.current.bind(h.states);
  h.states.current = async (gateway) => {
    const state = await current(gateway);
    // The loaded state includes this commit, so no change announces it.
    h.directory.row(gateway).identityKey = null;
    return state;
  };
  const again = await ScriptedAgent.open(h.port, first.identity);
  await again.authenticate();
  assert.equal((await again.expect('refused')).code, 'busy');
});

test('an agent whose identity is unknown to the runtime reconnects, and its record decides', async (t) => {
  const h = await startChannel(t);
  const { id, token } = h.gateway();
  const first = await ScriptedAgent.connect(h.port, newAgent(id, token));
  h.states.emit(id, { kind: 'unknown-identity' });
  await first.expect('snapshot');
  const refused = await first.expect('refused');
  assert.deepEqual([refused.code, refused.final], ['busy', false]);
  const second = await ScriptedAgent.connect(h.port, first.identity);
  await second.expect('snapshot');
  h.directory.row(id).identityKey = null;
  h.states.emit(id, { kind: 'unknown-identity' });
  assert.equal((await second.expect('refused')).code, 'busy');
  const { token: _, ...identity } = first.identity;
  const rekeyed = await ScriptedAgent.open(h.port, identity);
  await rekeyed.authenticate();
  assert.equal((await rekeyed.expect('refused')).code, 'bad-token');
});
