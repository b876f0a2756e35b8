import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type AgentMessage,
  type AgentRole,
  channelProtocol,
  keyExchange,
  type Mapping,
  provePossession,
  StateHash,
  type Transcript,
  transcriptText,
} from '@sallyport/contract/channel';
import { type ControllerKey, constantIdentity, verifyText } from './keys.ts';
import { defaultLimits } from './limits.ts';
import { Session } from './session.ts';
import { transitions } from './session-transitions.ts';
import type { Phase, SessionEffect, SessionInput } from './session-types.ts';
import { StateFeed } from './state-feed.ts';
import { newSigner } from './testing/agent-keys.ts';
import { gatewayItem } from './testing/memory-states.ts';

const gateway = '5d4c2f3e-9d1a-4d0c-8a58-0d9b7a1f6c11';
const controller = newSigner();
const agent = newSigner();
const nonce = Buffer.alloc(32, 7).toString('base64');
const agentNonce = Buffer.alloc(32, 9).toString('base64');
const exchange = () => keyExchange('controller', Buffer.alloc(32, 1));
const agentExchange = () => keyExchange('agent', Buffer.alloc(32, 2));
const wireguardPrivate = Buffer.alloc(32, 3);
const agentEphemeral = agentExchange().publicKey;
const host = { hostname: 'h', os: 'o', kernel: 'k', wireguard: 'memory' } as const;
const start = 1_000_000;
const revision = { epoch: 'e', number: 1 };
const items = [gatewayItem()];
const hash = StateHash.of(items).toString();
const state = { revision, hash, items: () => items };

const hello: Extract<AgentMessage, { type: 'hello' }> = {
  type: 'hello',
  protocol: 3,
  role: 'gateway',
  agent: gateway,
  nonce: agentNonce,
  ephemeral: agentEphemeral,
  identityKey: agent.publicKey,
  agentVersion: '1',
};
const transcript: Transcript = {
  protocol: 3,
  role: 'gateway',
  agent: gateway,
  agentNonce,
  controllerNonce: nonce,
  identityKey: agent.publicKey,
  controllerKey: controller.publicKey,
  agentEphemeral,
  controllerEphemeral: exchange().publicKey,
};
const proof: Extract<AgentMessage, { type: 'authenticate' }> = {
  type: 'authenticate',
  signature: agent.sign(transcriptText('agent', transcript)),
  wireguardPublicKey: keyExchange('agent', wireguardPrivate).publicKey,
  wireguardProof: possession(transcript),
  host,
};

function possession(of: Transcript): string {
  const made = provePossession(wireguardPrivate.toString('base64'), of.controllerEphemeral, of);
  return made ?? assert.fail('a good key');
}

function admitted(): Extract<SessionInput, { type: 'admitted' }> {
  const feed = new StateFeed(defaultLimits);
  feed.loaded(state);
  return {
    type: 'admitted',
    heartbeatMs: 10_000,
    name: 'Site',
    feed,
    state,
    leaseMs: () => 86_400_000,
    mapping: () => ({ kind: 'undecided' }),
  };
}

const inputs: { readonly [N in SessionInput['type']]: () => Extract<SessionInput, { type: N }> } = {
  hello: () => hello,
  authenticate: () => proof,
  applied: () => ({ type: 'applied', revision, hash, tookMs: 1 }),
  failed: () => ({ type: 'failed', code: 'c', message: 'm' }),
  'need-snapshot': () => ({ type: 'need-snapshot', reason: 'r' }),
  heartbeat: () => ({
    type: 'heartbeat',
    sentAt: start,
    revision: null,
    hash: null,
    peers: [],
    policies: [],
    dropped: {},
    probes: [],
    paths: [],
    relays: [],
    safeToStop: false,
  }),
  probed: () => ({ type: 'probed', request: 'r', hash: null, probes: [] }),
  noticed: () => ({ type: 'noticed', probes: [] }),
  'find-path': () => ({ type: 'find-path', peer: gateway, relay: false }),
  'ask-name': () => ({ type: 'ask-name', name: 'wiki.corp.example', device: gateway }),
  'names-used': () => ({ type: 'names-used', names: ['wiki.corp.example'] }),
  posture: () => ({ type: 'posture', facts: {} }),
  upgrading: () => ({ type: 'upgrading', request: gateway, state: 'done' }),
  garbage: () => ({ type: 'garbage' }),
  evicted: () => ({ type: 'evicted' }),
  time: () => ({ type: 'time' }),
  admitted,
  rejected: () => ({ type: 'rejected', code: 'busy' }),
  changed: () => ({ type: 'changed' }),
  loaded: () => ({ type: 'loaded', state }),
  congested: () => ({ type: 'congested' }),
  drained: () => ({ type: 'drained' }),
  ask: () => ({ type: 'ask', request: 'r' }),
  punched: () => ({ type: 'punched', message: { type: 'punch', peer: gateway, endpoints: [] } }),
  'upgrade-asked': () => ({
    type: 'upgrade-asked',
    message: { type: 'upgrade', request: gateway, version: '1.0.0' },
  }),
  'answered-name': () => ({
    type: 'answered-name',
    message: { type: 'named', name: 'wiki.corp.example', outcome: 'given' },
  }),
  lost: () => ({ type: 'lost' }),
};

function sessionIn(phase: Phase, role: AgentRole = 'gateway'): Session {
  const pace = { limits: defaultLimits };
  const session = new Session({ identity: constantIdentity(controller), nonce, exchange: exchange(), ...pace }, start);
  const said = { ...transcript, role };
  const signature = agent.sign(transcriptText('agent', said));
  const whole = { ...proof, signature, wireguardProof: possession(said) };
  const way: SessionInput[] = [{ ...hello, role }, whole, admitted(), { type: 'lost' }];
  const steps = { greeting: 0, proving: 1, admitting: 2, live: 3, closed: 4 }[phase];
  for (const input of way.slice(0, steps)) session.handle(input, start);
  assert.equal(session.phase, phase);
  return session;
}

/** Effects as short words: what is sent, asked for, or why it ended. */
function words(effects: readonly SessionEffect[]): string {
  const word = (effect: SessionEffect) => {
    if (effect.kind === 'send') return effect.message.type === 'refused' ? effect.message.code : effect.message.type;
    return effect.kind === 'end' ? 'end' : effect.kind;
  };
  return effects.map(word).join(' ');
}

const bad = 'bad-message end';
const agentSpeaks = {
  applied: bad,
  failed: bad,
  'need-snapshot': bad,
  heartbeat: bad,
  probed: bad,
  noticed: bad,
  'find-path': bad,
  'ask-name': bad,
  'names-used': bad,
  posture: bad,
  upgrading: bad,
  garbage: bad,
};
const controllerTells = {
  evicted: '',
  time: '',
  admitted: '',
  changed: '',
  loaded: '',
  congested: '',
  drained: '',
  ask: '',
  punched: '',
  'upgrade-asked': '',
  'answered-name': '',
};
const ends = { rejected: 'busy end', lost: 'end' };
const before = { ...agentSpeaks, ...controllerTells, ...ends };
const expected: { readonly [P in Phase]: { readonly [N in SessionInput['type']]: string } } = {
  greeting: { ...before, hello: 'challenge seal', authenticate: bad, evicted: 'end' },
  proving: { ...before, hello: bad, authenticate: 'admit', evicted: 'end' },
  admitting: { ...before, hello: bad, authenticate: bad, admitted: 'welcome snapshot' },
  live: {
    ...controllerTells,
    ...ends,
    hello: bad,
    authenticate: bad,
    garbage: bad,
    applied: 'report',
    failed: 'report',
    heartbeat: 'report',
    probed: 'report',
    noticed: 'report',
    'find-path': 'report',
    'ask-name': 'report',
    'names-used': 'report',
    'answered-name': 'named',
    posture: bad,
    upgrading: 'report',
    punched: 'punch',
    'upgrade-asked': 'upgrade',
    'need-snapshot': '',
    loaded: 'snapshot',
    ask: 'probe',
  },
  closed: {
    ...Object.fromEntries(Object.keys(inputs).map((name) => [name, ''])),
  } as { readonly [N in SessionInput['type']]: string },
};

/** Of a device, what differs from a gateway. */
const ofDevice: Partial<Record<SessionInput['type'], string>> = {
  probed: bad,
  noticed: bad,
  upgrading: bad,
  'ask-name': bad,
  'names-used': bad,
  posture: 'report',
};

for (const phase of Object.keys(transitions) as Phase[]) {
  test(`every input in phase ${phase} does what the table says`, () => {
    for (const name of Object.keys(inputs) as SessionInput['type'][]) {
      const session = sessionIn(phase);
      const effects = session.handle(inputs[name](), start);
      assert.equal(words(effects), expected[phase][name], `${phase}, ${name}`);
      const ended = effects.some((effect) => effect.kind === 'end');
      assert.equal(session.phase === 'closed', ended || phase === 'closed', `${phase}, ${name}`);
    }
  });
}

test('a device reports a posture, and has no probes', () => {
  for (const name of Object.keys(inputs) as SessionInput['type'][]) {
    const effects = sessionIn('live', 'device').handle(inputs[name](), start);
    assert.equal(words(effects), ofDevice[name] ?? expected.live[name], name);
  }
});

test('the controller signs the greetings of both sides', () => {
  const session = sessionIn('greeting');
  const [effect] = session.handle(hello, start);
  assert.ok(effect?.kind === 'send' && effect.message.type === 'challenge');
  assert.equal(effect.message.nonce, nonce);
  assert.ok(verifyText(controller.publicKey, transcriptText('controller', transcript), effect.message.signature));
  assert.ok(!verifyText(controller.publicKey, transcriptText('agent', transcript), effect.message.signature));
});

test('both sides agree on the same keys, and a key without a secret is refused unsealed', () => {
  const effects = sessionIn('greeting').handle(hello, start);
  const [seal] = effects.filter(({ kind }) => kind === 'seal');
  assert.ok(seal?.kind === 'seal');
  const channel = agentExchange().agree(exchange().publicKey, transcript);
  assert.equal(channel?.open(seal.channel.seal('welcome')), 'welcome');
  assert.equal(seal.channel.open(channel.seal('authenticate')), 'authenticate');
  const weak = { ...hello, ephemeral: Buffer.alloc(32).toString('base64') };
  assert.equal(words(sessionIn('greeting').handle(weak, start)), 'bad-message end');
});

test('a signature over anything else is refused', () => {
  const other = 'f'.repeat(43).concat('=');
  for (const change of [
    { controllerNonce: other },
    { agentNonce: other },
    { agent: '' },
    { role: 'device' as const },
    { controllerKey: other },
    { agentEphemeral: other },
    { controllerEphemeral: other },
  ]) {
    const session = sessionIn('proving');
    const signature = agent.sign(transcriptText('agent', { ...transcript, ...change }));
    assert.equal(words(session.handle({ ...proof, signature }, start)), 'bad-signature end');
  }
});

test('the deadlines of handshake, silence, stall and lease come at their times', () => {
  const greeting = sessionIn('greeting');
  assert.deepEqual(greeting.nextDeadline(), { at: start + 10_000, why: 'handshake' });
  assert.equal(words(greeting.handle({ type: 'time' }, start + 10_000)), 'end');
  assert.equal(sessionIn('admitting').nextDeadline(), null);
  assert.equal(sessionIn('closed').nextDeadline(), null);

  const live = sessionIn('live');
  assert.deepEqual(live.nextDeadline(), { at: start + 60_000, why: 'silent' });
  live.handle(inputs.heartbeat(), start + 50_000);
  live.handle({ type: 'congested' }, start + 45_000);
  assert.deepEqual(live.nextDeadline(), { at: start + 105_000, why: 'stalled' });
  assert.equal(words(live.handle({ type: 'time' }, start + 105_000)), 'end');

  const quiet = sessionIn('live');
  for (let at = start; at <= start + 3_600_000; at += 30_000) quiet.handle(inputs.heartbeat(), at);
  assert.deepEqual(quiet.nextDeadline(), { at: start + 3_600_000, why: 'lease' });
  assert.equal(words(quiet.handle({ type: 'time' }, start + 3_600_000)), 'lease');
});

test('an agent is told its mapping with its next report, once for each change', () => {
  let mapping: Mapping = { kind: 'undecided' };
  const session = sessionIn('greeting');
  session.handle(hello, start);
  const signature = agent.sign(transcriptText('agent', transcript));
  session.handle({ ...proof, signature, wireguardProof: possession(transcript) }, start);
  session.handle({ ...admitted(), mapping: () => mapping }, start);
  const told = () => words(session.handle(inputs.heartbeat(), start));
  assert.equal(told(), 'report');
  mapping = { kind: 'independent', endpoint: '192.0.2.1:5' };
  assert.deepEqual([told(), told()], ['report mapping', 'report']);
  mapping = { kind: 'undecided' };
  assert.deepEqual([told(), told()], ['report mapping', 'report']);
});

test('a missing state ends the connection, and the agent returns', () => {
  const session = sessionIn('live');
  assert.equal(words(session.handle({ type: 'need-snapshot', reason: 'r' }, start + 2_000)), 'load');
  assert.equal(words(session.handle({ type: 'loaded', state: null }, start + 2_000)), 'busy end');
});

test('an agent meets the key that it can follow to, and keeps it until it connects again', () => {
  const [before, now] = [newSigner(), newSigner()];
  const succession = { from: before.publicKey, to: now.publicKey, signature: before.sign('for this test') };
  const identity = { key: before as ControllerKey, earlier: null as ControllerKey | null, successions: [succession] };
  const meet = (protocol: number) => {
    const session = new Session({ identity, nonce, exchange: exchange(), limits: defaultLimits }, start);
    const [sent] = session.handle({ ...hello, protocol }, start);
    const challenge = sent?.kind === 'send' && sent.message.type === 'challenge' ? sent.message : null;
    return { session, key: challenge?.controllerKey, successions: challenge?.successions };
  };
  const early = meet(channelProtocol);
  Object.assign(identity, { key: now, earlier: before });
  assert.deepEqual([early.session.hasOldKey, early.session.knowsKey], [true, false]);
  const newer = meet(channelProtocol);
  assert.deepEqual([newer.key, newer.successions], [now.publicKey, [succession]]);
  assert.deepEqual([newer.session.hasOldKey, newer.session.knowsKey], [false, true]);
  const older = meet(3);
  assert.deepEqual([older.key, older.successions], [before.publicKey, undefined]);
  assert.deepEqual([older.session.hasOldKey, older.session.knowsKey], [false, false]);
  identity.earlier = null;
  assert.equal(older.session.hasOldKey, true, 'what it knows is forgotten');
  assert.deepEqual([meet(3).key, meet(3).successions], [now.publicKey, undefined]);
});
