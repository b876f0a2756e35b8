import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { request } from 'node:http';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { parseEnrolmentToken } from '@sallyport/contract/channel';
import { newAgent, ScriptedAgent } from '../../apps/controller/src/channel/testing/scripted-agent.ts';
import { ControllerProcess, testFolder } from '../../apps/controller/src/testing/controller-process.ts';
import type { Orders } from './attacker.ts';

const honestAgents = 1_000;
/** Parallel handshakes, so that this process does not delay itself. */
const atOnce = 20;
/** An agent without a message for a minute is disconnected. */
const beatMs = 8_000;

const attacks = [
  'huge frames',
  'floods of messages',
  'new keys',
  'dear rules',
  'doubling rules',
  'huge bodies',
  'deep bodies',
  'gateways',
  'matrices',
];

test('1,000 agents keep their connections and receive changes during attacks of a device and a tenant', {
  timeout: 170_000,
}, async (t) => {
  const dataDir = testFolder(t);
  const controller = await ControllerProcess.start(t, dataDir);
  const honest = new Tenant(controller.url, controller.printedKey ?? '');
  const resource = await reachableResource(honest);
  const agents = await connectAll(t, controller, await honest.enrolmentKeys(honestAgents));
  const names = (count: number, word: string) => Array.from({ length: count }, (_, n) => `${word} ${n}`);
  await rename(honest, resource, 'first', agents);
  const calm: number[] = [];
  for (const name of names(2, 'calm')) calm.push(await rename(honest, resource, name, agents));

  const hostile = new Tenant(controller.url, await secondTenant(dataDir));
  const [enrolmentKeys, apiKey] = [await hostile.enrolmentKeys(3), hostile.key];
  const attack = startAttack(t, { port: Number(new URL(controller.url).port), apiKey, enrolmentKeys });
  await attack.until((done) => attacks.every((name) => (done[name] ?? 0) > 0));
  const attacked: number[] = [];
  for (const name of names(5, 'attacked')) attacked.push(await rename(honest, resource, name, agents));
  const done = attack.done();

  const lost = agents.filter(({ closeCode }) => closeCode !== null);
  assert.equal(lost.length, 0, `${lost.length} agents lost their connections`);
  assert.equal(controller.exitCode, null, controller.stderr.slice(-2_000));
  t.diagnostic(
    `until all ${honestAgents} agents have a change: ${shown(calm)} in calm, ${shown(attacked)} under attack`,
  );
  t.diagnostic(`attacks carried out: ${JSON.stringify(done)}`);
});

const shown = (times: readonly number[]): string => {
  const sorted = times.toSorted((a, b) => a - b);
  const at = (share: number) => (sorted[Math.floor(share * (sorted.length - 1))] ?? 0).toFixed(0);
  return `median ${at(0.5)} ms, most ${at(1)} ms`;
};

/** One tenant of the API. */
class Tenant {
  readonly key: string;
  readonly #url: string;

  constructor(url: string, key: string) {
    this.#url = url;
    this.key = key;
  }

  // biome-ignore lint/suspicious/noExplicitAny: answers are looked into freely
  async call(method: string, path: string, body: object): Promise<any> {
    const headers = { apikey: this.key, 'content-type': 'application/json' };
    const answer = await fetch(`${this.#url}${path}`, { method, headers, body: JSON.stringify(body) });
    const text = await answer.text();
    assert.ok(answer.ok, `${method} ${path}: ${answer.status} ${text}`);
    return JSON.parse(text);
  }

  async enrolmentKeys(count: number): Promise<string[]> {
    const keys: string[] = [];
    while (keys.length < count) {
      const names = Array.from(
        { length: Math.min(atOnce, count - keys.length) },
        (_, n) => `laptop ${keys.length + n}`,
      );
      const made = names.map((name) => this.call('POST', '/tenants/enrolment-keys', { name }));
      keys.push(...(await Promise.all(made)).map(({ key }) => key as string));
    }
    return keys;
  }
}

/** Creates a resource that all devices of the tenant may reach; each device is informed of a new name. */
async function reachableResource(tenant: Tenant): Promise<{ id: string; address: object }> {
  const gateway = await tenant.call('POST', '/tenants/gateways', { name: 'office', wireguardPort: '51820' });
  const networkProtocols = [{ protocol: 'TCP', port: '443' }];
  const protocol = await tenant.call('POST', '/tenants/protocols', { networkProtocols });
  const address = { address: '10.0.0.7', protocols: [protocol.id] };
  const body = { name: 'zero', type: 'PRIVATE', addresses: [address] };
  const { id } = await tenant.call('POST', '/tenants/resources', body);
  const attached = { loadBalancingMode: 'MANUAL', gateways: [gateway.id] };
  await tenant.call('PUT', `/tenants/resources/${id}/load-balancing`, attached);
  const policy = { name: 'all', type: 'PRIVATE', action: true, allDevices: true, resources: [id] };
  await tenant.call('POST', '/tenants/policies', policy);
  return { id, address };
}

/** Changes the name, and returns the time from the answer until the last agent has it. */
async function rename(
  tenant: Tenant,
  { id, address }: { id: string; address: object },
  name: string,
  agents: readonly ScriptedAgent[],
): Promise<number> {
  const read = await tenant.call('PUT', `/tenants/resources/${id}`, { name, type: 'PRIVATE', addresses: [address] });
  assert.equal(read.name, name);
  const began = performance.now();
  const knows = ({ items }: ScriptedAgent) => {
    const item = items.get(`resource/${id}`);
    return item?.kind === 'resource' && item.name === name;
  };
  let left = agents.filter((agent) => !knows(agent));
  while (left.length > 0) {
    const gone = left.filter(({ closeCode }) => closeCode !== null);
    assert.equal(gone.length, 0, `${gone.length} agents lost their connections`);
    await pause(2);
    left = left.filter((agent) => !knows(agent));
  }
  const took = performance.now() - began;
  for (const agent of agents) agent.apply();
  return took;
}

async function connectAll(t: TestContext, controller: ControllerProcess, keys: readonly string[]) {
  const port = Number(new URL(controller.url).port);
  const agents: ScriptedAgent[] = [];
  while (agents.length < keys.length) {
    const next = keys.slice(agents.length, agents.length + atOnce).map((key) => {
      const id = parseEnrolmentToken(key, 'device')?.agent ?? assert.fail(key);
      return ScriptedAgent.connect(port, newAgent(id, key, 'device'));
    });
    agents.push(...(await Promise.all(next)));
  }
  const beats = setInterval(() => {
    for (const agent of agents) if (agent.closeCode === null) agent.beat(Date.now());
  }, beatMs);
  t.after(() => {
    clearInterval(beats);
    for (const agent of agents) agent.ws.terminate();
  });
  return agents;
}

/** Creates a key of another tenant through the operator's socket. */
function secondTenant(dataDir: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { socketPath: join(dataDir, 'operator.sock'), path: '/tenants', method: 'POST' };
    const sent = request({ ...options, headers: { 'content-type': 'application/json' } }, async (answer) => {
      const text = (await answer.toArray()).join('');
      resolve(JSON.parse(text).apiKey.key);
    });
    sent.on('error', reject).end(JSON.stringify({ name: 'hostile' }));
  });
}

function startAttack(t: TestContext, orders: Orders) {
  const child = fork(join(import.meta.dirname, 'attacker.ts'), [JSON.stringify(orders)], { silent: true });
  t.after(() => child.kill('SIGKILL'));
  let done: Record<string, number> = {};
  let [rest, said] = ['', ''];
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    const last = lines.at(-1);
    if (last !== undefined) done = JSON.parse(last);
  });
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  return {
    done: () => done,
    until: async (condition: (done: Readonly<Record<string, number>>) => boolean) => {
      while (!condition(done)) {
        assert.equal(child.exitCode, null, `the attacker ended: ${said}`);
        await pause(50);
      }
    },
  };
}
