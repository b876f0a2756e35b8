import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startChannel } from './testing/harness.ts';
import { type AgentIdentity, newAgent, ScriptedAgent } from './testing/scripted-agent.ts';

/** The public key of somebody else, which anybody may know, with no private half to it. */
const withStolenKey = (identity: AgentIdentity): AgentIdentity => ({
  ...identity,
  wireguardPublicKey: newAgent(identity.agent).wireguardPublicKey,
});

async function refusalOf(agent: ScriptedAgent): Promise<string> {
  return (await agent.expect('refused')).code;
}

test('no host enrols with a WireGuard key that it does not hold, and its token is not used up', async (t) => {
  const h = await startChannel(t);
  const { id, token } = h.gateway();
  const honest = newAgent(id, token);
  const thief = await ScriptedAgent.open(h.port, withStolenKey(newAgent(id, token)));
  await thief.authenticate();
  assert.equal(await refusalOf(thief), 'bad-possession');
  assert.deepEqual([h.directory.row(id).identityKey, h.directory.row(id).wireguardPublicKey], [null, null]);
  await ScriptedAgent.connect(h.port, honest);
  assert.equal(h.directory.row(id).wireguardPublicKey, honest.wireguardPublicKey);
});

test('an enrolled agent cannot take the WireGuard key of another', async (t) => {
  const h = await startChannel(t);
  const { id, token } = h.gateway();
  const identity = newAgent(id, token);
  await (await ScriptedAgent.connect(h.port, identity)).cut();
  const greedy = await ScriptedAgent.open(h.port, withStolenKey(identity));
  await greedy.authenticate();
  assert.equal(await refusalOf(greedy), 'bad-possession');
  assert.equal(h.directory.row(id).wireguardPublicKey, identity.wireguardPublicKey);
});

test('a proof of another connection, and no proof at all, are refused', async (t) => {
  const h = await startChannel(t);
  const { id, token } = h.gateway();
  const identity = newAgent(id, token);
  const first = await ScriptedAgent.open(h.port, identity);
  await first.greet();
  const replay = await ScriptedAgent.open(h.port, identity);
  await replay.authenticate({ wireguardProof: first.possession });
  assert.equal(await refusalOf(replay), 'bad-possession');
  const silent = await ScriptedAgent.open(h.port, identity);
  await silent.authenticate({ wireguardProof: Buffer.alloc(32).toString('base64') });
  assert.equal(await refusalOf(silent), 'bad-possession');
  assert.equal(h.directory.row(id).identityKey, null);
});
