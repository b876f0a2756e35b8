import assert from 'node:assert/strict';
import { it } from 'node:test';
import { nearbyPrefixes } from './nearby.ts';

it('lists networks at the host and leaves out routes to the internet', () => {
  const on = (device: string, prefix: string) => ({ device, prefix });
  const found = nearbyPrefixes('sp0', [
    on('eth0', '51.15.0.7/24'),
    on('eth0', '51.15.0.0/24'),
    on('eth0', '2a01:4f8:1::1/64'),
    on('eth0', '172.31.1.1/32'),
    on('ppp0', '0.0.0.0/0'),
    on('wg1', '128.0.0.0/1'),
    on('wg1', '::/1'),
    on('sp0', '100.64.0.0/10'),
    on('lo', '127.0.0.1/8'),
  ]);
  assert.deepEqual(found, ['172.31.1.1/32', '2a01:4f8:1::/64', '51.15.0.0/24']);
});
