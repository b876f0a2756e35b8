import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startChannel } from './testing/harness.ts';
import { until } from './testing/manual-time.ts';
import { newAgent, ScriptedAgent } from './testing/scripted-agent.ts';

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
