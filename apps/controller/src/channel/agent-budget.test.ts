import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AgentBudget } from './agent-budget.ts';
import { Observations } from './observations.ts';
import type { AgentDirectory } from './types.ts';

const pace = { perAgent: { burst: 3, perSecond: 1 / 30 }, perTenant: { burst: 5, perSecond: 1 } };

test('an agent that uses up its budget takes nothing from others of its tenant', () => {
  let now = 0;
  const budget = new AgentBudget(pace, () => now);
  const spend = (agent: string, times: number) =>
    Array.from({ length: times }, () => budget.spend('facts', 'tenant', agent)).filter(Boolean).length;
  assert.equal(spend('hostile', 1_000), 3);
  assert.equal(spend('honest', 2), 2);
  assert.equal(spend('third', 1), 0, 'the tenant has used up its own');
  assert.equal(budget.spend('facts', 'other', 'agent'), true);
  assert.equal(budget.spend('key', 'tenant', 'hostile'), true, 'keys have a budget of their own');
  now += 60_000;
  assert.equal(spend('hostile', 1_000), 2);
});

function collected() {
  const written: (string | null | undefined)[] = [];
  const directory = {
    observed: async (_: string, { error }: { error?: string | null }) => void written.push(error),
    deployed: async () => undefined,
    deviceTold: async () => undefined,
    lastOnline: async () => undefined,
    deviceSeen: async () => undefined,
    deviceMoved: async () => undefined,
  } as unknown as AgentDirectory;
  return { written, directory };
}

test('of facts that change too fast, the newest is written last', async () => {
  let now = 0;
  const { written, directory } = collected();
  const log = { info: () => {}, warn: () => {}, debug: () => {}, error: () => {} };
  const facts = new Observations(directory, log, new AgentBudget(pace, () => now), () => {});
  for (let count = 1; count <= 500; count++) {
    facts.observe('tenant', 'gateway', { error: `error ${count}` });
    await facts.flush();
  }
  assert.deepEqual(written, ['error 1', 'error 2', 'error 3']);
  now += 31_000;
  await facts.flush();
  assert.equal(written.at(-1), 'error 500');
  facts.observe('tenant', 'gateway', { error: 'the last one' });
  await facts.flush();
  assert.equal(written.at(-1), 'error 500', 'it waits');
  await facts.finish();
  assert.equal(written.at(-1), 'the last one', 'but not for ever');
});
