import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { duplexPair } from 'node:stream';
import { type AgentRole, channelPath } from '@sallyport/contract/channel';
import { WebSocket } from 'ws';
import { createChannel } from '../../apps/controller/src/channel/channel.ts';
import { constantIdentity } from '../../apps/controller/src/channel/keys.ts';
import { newSigner } from '../../apps/controller/src/channel/testing/agent-keys.ts';
import { ManualTime, until } from '../../apps/controller/src/channel/testing/manual-time.ts';
import { MemoryDirectory } from '../../apps/controller/src/channel/testing/memory-directory.ts';
import { clientItem, gatewayItem, MemoryStates } from '../../apps/controller/src/channel/testing/memory-states.ts';
import { newAgent, ScriptedAgent } from '../../apps/controller/src/channel/testing/scripted-agent.ts';
import { formatEnrolmentToken } from '../../packages/contract/src/channel/token.ts';
import { below, bytes, oddText, pick, spoiltBytes, spoiltJson, spoiltText } from './mutate.ts';

/** Name of the target. */
export const name = 'frames';

type Random = () => number;

const uuid = '123e4567-e89b-42d3-a456-426614174000';
const revision = { epoch: 'epoch-1', number: 1 };
const probe = { id: uuid, resource: uuid, reachable: true, detail: 'TCP port 80 answers', rttMs: 1.5 };
const peer = { peer: uuid, rxBytes: 1, txBytes: 2, lastHandshake: 1_700_000_000_000, endpoint: '192.0.2.1:51820' };
const live = [
  { type: 'applied', revision, hash: 'a'.repeat(64), tookMs: 1 },
  { type: 'failed', revision, code: 'internal', message: 'no' },
  { type: 'need-snapshot', reason: 'why' },
  {
    type: 'heartbeat',
    sentAt: 1_700_000_000_000,
    revision,
    hash: 'a'.repeat(64),
    peers: [peer],
    policies: [{ policy: uuid, packets: 1, bytes: 1 }],
    dropped: { spoofed: 1 },
    probes: [probe],
    paths: [{ peer: uuid, via: 'direct', rttMs: 1 }],
    relays: [{ gateway: uuid, rttMs: null }],
    safeToStop: false,
  },
  { type: 'probed', request: 'r', hash: null, probes: [probe] },
  { type: 'noticed', probes: [probe] },
  { type: 'find-path', peer: uuid, relay: true },
  { type: 'ask-name', name: 'wiki.corp.example', device: uuid },
  { type: 'names-used', names: ['wiki.corp.example'] },
  { type: 'posture', facts: { diskEncrypted: true, os: 'Debian', version: 13 } },
];

/** The real channel over in-memory pipes; it lives as long as the process. */
class Lab {
  readonly time = new ManualTime();
  readonly directory = new MemoryDirectory();
  readonly states = new MemoryStates();
  readonly failures: unknown[] = [];
  readonly server = createServer();
  #agents = 0;

  constructor() {
    const warn = (facts: object) => 'err' in facts && this.failures.push(facts.err);
    const channel = createChannel({
      directory: this.directory,
      states: this.states,
      identity: constantIdentity(newSigner()),
      clock: this.time.clock,
      timers: this.time,
      randomBytes: (count) => Buffer.alloc(count, ++this.#agents),
      leaseMs: () => 86_400_000,
      log: { debug: () => {}, info: () => {}, warn },
      // A failing source is blocked for a while, so each connection comes from another source.
      peerAddress: () => `192.${this.#agents & 127}.${(this.#agents >> 7) & 255}.1`,
    });
    channel.attach(this.server);
  }

  async open(role: AgentRole): Promise<ScriptedAgent> {
    const id = `${String(++this.#agents).padStart(8, '0')}${uuid.slice(8)}`;
    const secret = 's'.repeat(43);
    this.directory.add(id, secret, role);
    this.states.add(id, role === 'gateway' ? [gatewayItem()] : [clientItem()]);
    const token = formatEnrolmentToken({ role, agent: id, secret, controllerFingerprint: 'f'.repeat(22) });
    const [agentEnd, controllerEnd] = duplexPair();
    this.server.emit('connection', controllerEnd);
    const createConnection = () => agentEnd as never;
    const ws = new WebSocket(`ws://controller${channelPath}`, { createConnection, perMessageDeflate: false });
    const agent = ScriptedAgent.over(ws, newAgent(id, token, role));
    await until(() => ws.readyState === ws.OPEN, 'the upgrade');
    return agent;
  }
}

let lab: Lab | null = null;

/** Frames of agents, by phase and role. */
export async function target(random: Random): Promise<void> {
  lab ??= new Lab();
  const role = pick(random, ['gateway', 'device'] as const);
  const agent = await lab.open(role);
  try {
    await pick(random, [greeting, proving, living, living])(random, agent);
    assert.deepEqual(lab.failures.splice(0), [], 'no callback failed');
  } finally {
    agent.ws.terminate();
    await until(() => agent.closeCode !== null, 'the end');
  }
}

async function greeting(random: Random, agent: ScriptedAgent): Promise<void> {
  const key = Buffer.alloc(32, 9).toString('base64');
  const { role, agent: id } = agent.identity;
  const keys = { nonce: key, ephemeral: key, identityKey: key };
  send(random, agent, { type: 'hello', protocol: 1, role, agent: id, ...keys, agentVersion: '1' });
  await settled();
}

async function proving(random: Random, agent: ScriptedAgent): Promise<void> {
  const signature = await agent.greet();
  const { token, wireguardPublicKey } = agent.identity;
  const host = { hostname: 'h', os: 'o', kernel: 'k', wireguard: 'memory' };
  const state = { revision, hash: 'a'.repeat(64) };
  const proof = { signature, token, wireguardPublicKey, wireguardProof: agent.possession, host, state };
  send(random, agent, { type: 'authenticate', ...proof });
  await settled();
}

async function living(random: Random, agent: ScriptedAgent): Promise<void> {
  await agent.authenticate();
  await agent.expect('welcome');
  for (let left = 1 + below(random, 5); left > 0 && agent.closeCode === null; left--) {
    send(random, agent, pick(random, live));
    await settled();
  }
}

/** Returns mostly a correctly sealed message with a spoilt part; sometimes text, bytes or an invalid frame. */
function send(random: Random, agent: ScriptedAgent, message: object): void {
  const kind = random();
  if (kind < 0.6) agent.sendText(JSON.stringify(spoiltJson(random, message)));
  else if (kind < 0.8) agent.sendText(spoiltText(random, JSON.stringify(message)));
  else if (kind < 0.9) agent.sendText(oddText(random));
  else agent.sendFrame(random() < 0.5 ? spoiltBytes(random, Buffer.from(JSON.stringify(message))) : bytes(random, 50));
}

/** Enough turns of the event loop to process the sent data. */
async function settled(): Promise<void> {
  for (let turns = 0; turns < 10; turns++) await new Promise((resolve) => setImmediate(resolve));
}
