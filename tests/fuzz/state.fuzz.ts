import assert from 'node:assert/strict';
import { parseSettings } from '../../apps/client/src/state/settings.ts';
import { readLearned } from '../../apps/gateway/src/relay/memory.ts';
import { readStoredState } from '../../packages/agent-core/src/stored-state.ts';
import { UsageError } from '../../packages/agent-runtime/src/failure.ts';
import type { StateDirectory } from '../../packages/agent-runtime/src/state/directory.ts';
import { EndpointMemory } from '../../packages/agent-runtime/src/state/endpoints.ts';
import { readIdentity } from '../../packages/agent-runtime/src/state/identity.ts';
import { readSavedHost } from '../../packages/agent-runtime/src/state/saved-host.ts';
import { bytes, oddText, size, spoiltJson, spoiltText } from './mutate.ts';

/** Name of the target. */
export const name = 'state';

const key = Buffer.alloc(32, 1).toString('base64');
const agent = '123e4567-e89b-42d3-a456-426614174000';
const overlay = { v4: '100.64.0.0/10', v6: 'fd00::/48' };
const statement = { agent, revision: { epoch: 'e', number: 3 }, hash: 'a'.repeat(64), issuedAt: 1, leaseUntil: 9e12 };
const client = { kind: 'client', key: 'client', addresses: ['100.64.0.9/32'], overlay, mtu: 1280 };
const route = {
  kind: 'route',
  key: 'route/10.0.0.0/8',
  id: '10.0.0.0/8',
  mode: 'MANUAL',
  gateways: [agent],
  resources: [],
  target: 443,
};
const samples = {
  identity: {
    version: 1,
    agent,
    identityPrivateKey: key,
    wireguardPrivateKey: key,
    controllerKey: key,
    enrolledWith: 'b'.repeat(64),
  },
  state: {
    version: 1,
    storedAt: 1,
    snapshot: { type: 'snapshot', items: [client, route], signed: { statement, signature: `${'A'.repeat(86)}==` } },
  },
  endpoints: { [key]: '192.0.2.1:51820' },
  settings: {
    version: 1,
    controller: 'https://controller.example',
    insecure: false,
    caFile: null,
    interface: 'sp0',
    wireguard: 'auto',
  },
  host: { host: { interface: 'sp0', overlay }, sysctls: [{ path: 'net/ipv4/ip_forward', before: '0' }] },
  relay: { [agent]: ['192.0.2.1:5', '[2001:db8::1]:6'] },
};

/** Feeds every file that an agent reads at start, as a broken disk or a foreign program left it. */
export async function target(random: () => number): Promise<void> {
  const file = (sample: object) => {
    const spoilt = JSON.stringify(spoiltJson(random, sample));
    const whole = random() < 0.7 ? spoilt : spoiltText(random, JSON.stringify(sample));
    return random() < 0.05 ? oddText(random) : random() < 0.05 ? bytes(random, size(random, 5_000)).toString() : whole;
  };
  const directoryOf = (text: string) => ({ path: '/state', read: async () => text }) as unknown as StateDirectory;
  const identity = await refused(() => readIdentity(directoryOf(file(samples.identity))));
  if (identity) assert.ok(Buffer.from(identity.identityPrivateKey, 'base64').length === 32);
  const authority = { agent, controllerKey: key, crypto: { verify: () => random() < 0.5 } };
  const outcome = readStoredState(file(samples.state), authority, 1_000);
  assert.ok(['usable', 'expired', 'invalid'].includes(outcome.kind));
  const endpoints = await EndpointMemory.load(directoryOf(file(samples.endpoints)));
  assert.ok(['string', 'undefined'].includes(typeof endpoints.of(key)));
  const settings = parseSettings(file(samples.settings));
  assert.ok(settings === null || typeof settings.controller === 'string');
  const host = await readSavedHost<{ interface: string }>(directoryOf(file(samples.host)));
  assert.ok(host === null || typeof host.host.interface === 'string');
  for (const learned of (await readLearned(directoryOf(file(samples.relay)))).values()) assert.equal(learned.length, 2);
}

async function refused<T>(read: () => Promise<T>): Promise<T | null> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof UsageError || (error as Error).name === 'AgentError') return null;
    throw error;
  }
}
