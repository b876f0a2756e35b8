import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { GatewayItem } from '@sallyport/contract/channel';
import { Statistics } from './statistics.ts';

const gateway: GatewayItem = {
  kind: 'gateway',
  key: 'gateway',
  listenPort: 51820,
  addresses: ['100.64.0.1/32'],
  overlay: { v4: '100.64.0.0/10', v6: 'fd00:5a11::/48' },
  mtu: 1280,
  masquerade: true,
  intent: 'MAINTENANCE',
  drainUntil: 10_000,
  relayPorts: null,
};
const items = new Map([[gateway.key, gateway]]);
const others = { probes: [], paths: [], relays: [] };
const unread = { device: null, counters: null, relayed: null };

test('a gateway without readings is not reported as idle', () => {
  const statistics = new Statistics();
  const safe = (now: number) => statistics.heartbeat(items, unread, others, now).safeToStop;
  assert.deepEqual([safe(0), safe(1_000), safe(2_000)], [false, false, false]);
  assert.equal(safe(10_000), true, 'what is left has been cut');
});

test('a drained gateway is safe to stop after a while without traffic of devices, sites and relayed pairs', () => {
  const safeAfter = (...readings: [granted: number, egress: number, relayed: number][]) => {
    const statistics = new Statistics();
    const safe = readings.map(([packets, egress, relayed]) => {
      const counters = {
        policies: new Map([['p', { packets, bytes: 0 }]]),
        drops: {},
        egress: { packets: egress, bytes: 0 },
      } as never;
      return statistics.heartbeat(items, { device: null, counters, relayed }, others, 0).safeToStop;
    });
    return safe.at(-1);
  };
  assert.equal(safeAfter([1, 5, 7], [1, 5, 7]), true);
  assert.equal(safeAfter([1, 5, 7], [2, 5, 7]), false);
  assert.equal(safeAfter([1, 5, 7], [1, 6, 7]), false);
  assert.equal(safeAfter([1, 5, 7], [1, 5, 8]), false);
});
