// A hostile tenant with hostile devices. under-attack.test.ts runs it as a separate process until it ends it. Prints
// how often each attack was carried out, as lines of JSON.
import { randomUUID } from 'node:crypto';
import process from 'node:process';
import { setTimeout as pause } from 'node:timers/promises';
import { parseEnrolmentToken } from '@sallyport/contract/channel';
import {
  type AgentIdentity,
  newAgent,
  ScriptedAgent,
  withNewKey,
} from '../../apps/controller/src/channel/testing/scripted-agent.ts';

/** Orders of the attacker. */
export interface Orders {
  readonly port: number;
  readonly apiKey: string;
  /** One key for each attack on the channel. */
  readonly enrolmentKeys: readonly string[];
}

const { port, apiKey, enrolmentKeys } = JSON.parse(process.argv[2] ?? '') as Orders;
const localAddress = '127.0.0.66';
const done: Record<string, number> = {};

const nothing = { peers: [], policies: [], dropped: {}, probes: [], paths: [], relays: [], safeToStop: false };
const heartbeat = JSON.stringify({ type: 'heartbeat', sentAt: 1, revision: null, hash: null, ...nothing, peers: '@' });
const filled = (element: string) =>
  heartbeat.replace('"@"', `[${Array(Math.floor(4_100_000 / (element.length + 1))).fill(element)}]`);
const frames = [
  filled('{}'),
  filled('0'),
  '['.repeat(4_000_000),
  heartbeat.replace('"@"', `{"x":"${'y'.repeat(4e6)}"}`),
];

/** Repeats an attack forever. A refused attack is repeated soon. */
async function repeat(name: string, attack: (round: number) => Promise<unknown>): Promise<void> {
  for (let round = 0; ; round++) {
    try {
      await attack(round);
      done[name] = (done[name] ?? 0) + 1;
    } catch {
      await pause(20);
    }
  }
}

function identityOf(key: string | undefined): AgentIdentity {
  const agent = parseEnrolmentToken(key ?? '', 'device')?.agent ?? '';
  return newAgent(agent, key, 'device');
}

async function come(identity: AgentIdentity): Promise<ScriptedAgent> {
  return ScriptedAgent.connect(port, identity, undefined, localAddress);
}

function attackChannel(): void {
  const [bomber, talker, changer] = enrolmentKeys.map(identityOf);
  if (bomber === undefined || talker === undefined || changer === undefined) throw new Error('three keys are needed');
  void repeat('huge frames', async (round) => {
    const agent = await come(bomber);
    agent.sendText(frames[round % frames.length] as string);
    await agent.closed();
  });
  void repeat('floods of messages', async (round) => {
    const agent = await come(talker);
    for (let i = 0; i < 300; i++) {
      agent.send({ type: 'posture', facts: { round, i, text: 'x'.repeat(900) } });
      agent.send({ type: 'need-snapshot', reason: 'x' });
      agent.send({ type: 'find-path', peer: randomUUID(), relay: true });
    }
    await agent.closed();
  });
  void repeat('new keys', async () => {
    await (await come(withNewKey(changer))).cut();
  });
}

async function call(method: string, path: string, body?: unknown): Promise<Response> {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  const headers = { apikey: apiKey, 'content-type': 'application/json' };
  const answer = await fetch(`http://127.0.0.1:${port}${path}`, { method, headers, ...(text && { body: text }) });
  await answer.arrayBuffer();
  return answer;
}

const dear = `[${Array.from({ length: 240 }, (_, i) => i)}].all(x, string(x + time.minute) != device.id)`;
const doubling = `[[1,2,3]].all(v, ${Array(400).fill('size(v)').join('+')} > 0)`;
const rule = (text: string) => ({ name: `rule ${randomUUID()}`, rule: text, hasTimeConstraint: false });
const wide = `{"name":"x","groups":[${Array(330_000).fill('{}')}]}`;

function attackApi(): void {
  const policies = '/tenants/policies';
  void repeat('dear rules', () => call('POST', '/tenants/admission-rules', rule(dear)));
  void repeat('doubling rules', () => call('POST', '/tenants/admission-rules', rule(doubling)));
  void repeat('huge bodies', () => call('POST', policies, wide));
  void repeat('deep bodies', () => call('POST', policies, '['.repeat(1_000_000)));
  void repeat('gateways', () => call('POST', '/tenants/gateways', { name: randomUUID(), wireguardPort: '51820' }));
  void repeat('matrices', () => call('GET', '/tenants/access/matrix'));
}

process.on('disconnect', () => process.exit(0));
setInterval(() => process.stdout.write(`${JSON.stringify(done)}\n`), 250);
attackChannel();
attackApi();
