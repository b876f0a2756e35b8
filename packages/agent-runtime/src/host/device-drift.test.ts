import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { DeviceStatus, PeerChange, PeerStatus } from '@sallyport/wireguard';
import { deviceDrift } from './device-drift.ts';
import { emptyDevice } from './tunnel-device.ts';

const known: PeerStatus = {
  publicKey: 'known',
  allowedIps: ['10.0.0.1/32'],
  lastHandshake: null,
  rxBytes: 0,
  txBytes: 0,
};
const before: DeviceStatus = { ...emptyDevice, peers: new Map([['known', known]]) };
const set = (publicKey: string): PeerChange => ({ kind: 'set', peer: { publicKey, allowedIps: [] } });

it('each changed setting of the device is reported', () => {
  assert.deepEqual(deviceDrift({ peers: [] }, before), []);
  assert.deepEqual(deviceDrift({ privateKey: 'k', listenPort: 1, fwmark: 2, peers: [] }, before), [
    'WireGuard had another key',
    'WireGuard listened on another port',
    'WireGuard marked its packets differently',
  ]);
});

it('unknown and missing peers are reported, changed ones only on request', () => {
  const peers: PeerChange[] = [{ kind: 'remove', publicKey: 'foreign' }, set('new'), set('known')];
  const always = ['peer foreign was not ours', 'peer new was missing'];
  assert.deepEqual(deviceDrift({ peers }, before), always);
  const moved = deviceDrift({ peers }, before, ({ allowedIps }) => `had ${allowedIps.length} address`);
  assert.deepEqual(moved, [...always, 'peer known had 1 address']);
});
