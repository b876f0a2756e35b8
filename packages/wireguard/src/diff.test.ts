import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { memoryBackend } from './backends/memory.ts';
import { diffDevice, isEmptyChange } from './diff.ts';
import { deviceConfig } from './testing/arbitraries.ts';
import { presharedKeyFor, privateKeyFor, publicKeyFor } from './testing/keys.ts';
import type { DeviceConfig, DeviceStatus, PeerConfig } from './types.ts';

const EMPTY: DeviceStatus = { publicKey: null, listenPort: 0, fwmark: 0, peers: new Map() };

test('a new device gets all settings, including endpoint and keepalive', () => {
  const desired = device(peer('ada', ['10.0.0.1/32'], { endpoint: '192.0.2.1:5', persistentKeepalive: 25 }));
  assert.deepEqual(diffDevice(EMPTY, desired), {
    privateKey: privateKeyFor('gate'),
    listenPort: 51820,
    peers: [{ kind: 'set', peer: desired.peers.get(publicKeyFor('ada')) }],
  });
});

test('unchanged peers are not in the change', async () => {
  const before = device(peer('ada', ['10.0.0.1/32']), peer('bob', ['10.0.0.2/32']));
  const after = device(peer('ada', ['10.0.0.1/32']), peer('cy', ['10.0.0.3/32']));
  assert.deepEqual(diffDevice(await reach(before), after), {
    peers: [
      { kind: 'remove', publicKey: publicKeyFor('bob') },
      { kind: 'set', peer: peer('cy', ['10.0.0.3/32']) },
    ],
  });
});

test('order and spelling of allowed IPs make no difference', async () => {
  const before = await reach(device(peer('ada', ['10.0.0.1/32', 'fd00::1/128'])));
  assert.ok(isEmptyChange(diffDevice(before, device(peer('ada', ['FD00:0::1/128', '10.0.0.1/32'])))));
});

test('a moved range is removed from its old peer before the new peer gets it', async () => {
  const before = await reach(device(peer('bob', []), peer('ada', ['10.0.0.1/32', '10.0.0.2/32'])));
  const change = diffDevice(before, device(peer('bob', ['10.0.0.2/32']), peer('ada', ['10.0.0.1/32'])));
  assert.deepEqual(change.peers, [
    { kind: 'set', peer: peer('ada', ['10.0.0.1/32']) },
    { kind: 'set', peer: peer('bob', ['10.0.0.2/32']) },
  ]);
});

test('a roamed endpoint stays even when other settings of the peer change', async () => {
  const roamed = await reach(device(peer('ada', ['10.0.0.1/32'], { endpoint: '198.51.100.9:999' })));
  const home = { endpoint: '192.0.2.1:5' };
  assert.ok(isEmptyChange(diffDevice(roamed, device(peer('ada', ['10.0.0.1/32'], home)))));
  assert.deepEqual(diffDevice(roamed, device(peer('ada', ['10.0.0.2/32'], home))).peers, [
    { kind: 'set', peer: peer('ada', ['10.0.0.2/32']) },
  ]);
});

test('an endpoint is set on a peer that has none, and when the desired one itself changed', async () => {
  const bare = await reach(device(peer('ada', ['10.0.0.1/32'])));
  const first = device(peer('ada', ['10.0.0.1/32'], { endpoint: '192.0.2.1:5' }));
  const second = device(peer('ada', ['10.0.0.1/32'], { endpoint: '192.0.2.2:5' }));
  assert.deepEqual(diffDevice(bare, first).peers, [{ kind: 'set', peer: first.peers.get(publicKeyFor('ada')) }]);
  const current = await reach(first);
  assert.ok(isEmptyChange(diffDevice(current, second)));
  assert.deepEqual(diffDevice(current, second, first).peers, [
    { kind: 'set', peer: second.peers.get(publicKeyFor('ada')) },
  ]);
});

test('a changed preshared key, keepalive, port, mark or private key is seen', async () => {
  const current = await reach(device(peer('ada', [])));
  assert.equal(diffDevice(current, device(peer('ada', [], { presharedKey: presharedKeyFor('x') }))).peers.length, 1);
  assert.equal(diffDevice(current, device(peer('ada', [], { persistentKeepalive: 25 }))).peers.length, 1);
  const other = { ...device(peer('ada', [])), listenPort: 7, fwmark: 9, privateKey: privateKeyFor('new') };
  assert.deepEqual(diffDevice(current, other), {
    listenPort: 7,
    fwmark: 9,
    privateKey: privateKeyFor('new'),
    peers: [],
  });
  assert.ok(isEmptyChange(diffDevice(current, { ...device(peer('ada', [])), listenPort: 0 })));
});

test('two owners of one range are rejected', () => {
  const desired = device(peer('ada', ['10.0.0.0/24']), peer('bob', ['10.0.0.1/24']));
  assert.throws(() => diffDevice(EMPTY, desired), { code: 'invalid', message: /10\.0\.0\.0\/24/ });
});

test('a device is not its own peer', () => {
  assert.throws(() => diffDevice(EMPTY, device(peer('gate', []))), { code: 'invalid' });
});

test('one change leads from any state to any other', async () => {
  await fc.assert(
    fc.asyncProperty(deviceConfig, deviceConfig, async (before, after) => {
      const backend = memoryBackend();
      await backend.ensure('wg0');
      await backend.apply('wg0', diffDevice(EMPTY, before));
      const current = await backend.read('wg0');
      assert.ok(current !== null);
      const change = diffDevice(current, after, before);
      const touched = change.peers.map((step) => (step.kind === 'set' ? step.peer.publicKey : step.publicKey));
      assert.equal(new Set(touched).size, touched.length);
      await backend.apply('wg0', change);
      const reached = await backend.read('wg0');
      assert.ok(reached !== null && isEmptyChange(diffDevice(reached, after, after)));
      assert.deepEqual(new Set(reached.peers.keys()), new Set(after.peers.keys()));
    }),
  );
});

async function reach(config: DeviceConfig): Promise<DeviceStatus> {
  const backend = memoryBackend();
  await backend.ensure('wg0');
  await backend.apply('wg0', diffDevice(EMPTY, config));
  return (await backend.read('wg0')) ?? EMPTY;
}

function device(...peers: readonly PeerConfig[]): DeviceConfig {
  return {
    privateKey: privateKeyFor('gate'),
    listenPort: 51820,
    peers: new Map(peers.map((each) => [each.publicKey, each])),
  };
}

function peer(name: string, allowedIps: readonly string[], more: Partial<PeerConfig> = {}): PeerConfig {
  return { publicKey: publicKeyFor(name), allowedIps, ...more };
}
