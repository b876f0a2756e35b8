import assert from 'node:assert/strict';
import { test } from 'node:test';
import { heartbeatInterval } from './heartbeats.ts';

test('devices beat less often when there are very many, gateways do not', () => {
  const of = (role: 'gateway' | 'device', agents: number) => heartbeatInterval(role, agents, 250);
  assert.deepEqual(
    [1, 2_500, 10_000, 100_000].map((agents) => of('device', agents)),
    [10_000, 10_000, 40_000, 60_000],
  );
  assert.equal(of('gateway', 100_000), 10_000);
});
