import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Heartbeats, heartbeatInterval } from './heartbeats.ts';

test('devices beat less often when there are very many, gateways do not', () => {
  const of = (role: 'gateway' | 'device', agents: number) => heartbeatInterval(role, agents, 250);
  assert.deepEqual(
    [1, 2_500, 10_000, 100_000].map((agents) => of('device', agents)),
    [10_000, 10_000, 40_000, 60_000],
  );
  assert.equal(of('gateway', 100_000), 10_000);
});

test('agents that come back first are told the interval that suits half of the enrolled ones', () => {
  let [now, enrolled, counts] = [0, 10_000, 0];
  const count = () => {
    counts++;
    return enrolled;
  };
  const heartbeats = new Heartbeats({ clock: () => now, enrolled: count, perSecond: 100, leastMs: 10_000 });
  assert.equal(heartbeats.intervalFor('device', 1), 50_000);
  assert.equal(heartbeats.intervalFor('gateway', 1), 10_000);
  assert.equal(heartbeats.intervalFor('device', 6_000), 60_000, 'more are here than were expected');
  assert.equal(counts, 1);
  enrolled = 100;
  now = 9_999;
  assert.equal(heartbeats.intervalFor('device', 1), 50_000, 'counted a moment ago');
  now = 10_000;
  assert.equal(heartbeats.intervalFor('device', 1), 10_000);
  enrolled = 10_000;
  now = 0;
  assert.equal(heartbeats.intervalFor('device', 1), 50_000, 'the clock was set back');
});
