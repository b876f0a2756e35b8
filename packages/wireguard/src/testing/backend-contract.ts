import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { diffDevice, isEmptyChange } from '../diff.ts';
import { presharedKeyHash } from '../keys.ts';
import type { DeviceConfig, DeviceStatus, PeerConfig, WireGuardBackend } from '../types.ts';
import { presharedKeyFor, privateKeyFor, publicKeyFor } from './keys.ts';
import { uniqueName } from './namespace.ts';

/** A backend to test, with its set-up and clean-up. */
export interface Candidate {
  readonly backend: WireGuardBackend;
  bringUp(name: string): Promise<void>;
  close(): Promise<void>;
}

/** Contract tests of every backend. `skip`: reason why the backend cannot be tested here. */
export function backendContract(label: string, skip: string | null, open: () => Promise<Candidate>): void {
  describe(`WireGuard backend: ${label}`, { skip: skip ?? false }, () => {
    let opened: Promise<Candidate> | undefined;
    const candidate = () => (opened ??= open());
    const made: Device[] = [];
    const fresh = async (): Promise<Device> => {
      const { backend, bringUp } = await candidate();
      const device = { backend, name: uniqueName() };
      made.push(device);
      await backend.ensure(device.name);
      await bringUp(device.name);
      return device;
    };
    after(async () => {
      for (const { backend, name } of made) await backend.remove(name);
      await (await opened)?.close();
    });

    test('a missing device reads as null and rejects changes', async () => {
      const { backend } = await candidate();
      const name = uniqueName();
      assert.equal(await backend.read(name), null);
      await assert.rejects(backend.apply(name, { privateKey: privateKeyFor('gate'), peers: [] }), {
        code: 'not-running',
      });
      await backend.remove(name);
      await assert.rejects(backend.ensure('../x'), { code: 'invalid' });
    });

    test('a new device is empty, and ensuring it again changes nothing', async () => {
      const device = await fresh();
      const { publicKey, peers } = await read(device);
      assert.equal(publicKey, null);
      assert.equal(peers.size, 0);
      await reach(device, config(peer('ada', ['10.0.0.1/32'])));
      const before = await read(device);
      await device.backend.ensure(device.name);
      assert.deepEqual(await read(device), before);
    });

    test('applied settings are read back without secrets', async () => {
      const device = await fresh();
      const ada = peer('ada', ['10.0.0.1/32', 'fd00::/64'], {
        presharedKey: presharedKeyFor('ada'),
        endpoint: '[2001:db8::1]:5',
        persistentKeepalive: 25,
      });
      const desired = { ...config(ada, peer('bob', [])), fwmark: 0x33 };
      await reach(device, desired);
      const { presharedKey, ...rest } = ada;
      const hash = presharedKeyHash(presharedKey) ?? '';
      const status = await read(device);
      const sent = status.peers.get(ada.publicKey)?.txBytes ?? 0;
      const idle = { lastHandshake: null, rxBytes: 0, txBytes: sent };
      assert.deepEqual(sorted(status.peers.get(ada.publicKey)), sorted({ ...rest, presharedKeyHash: hash, ...idle }));
      assert.equal(status.publicKey, publicKeyFor('gate'));
      assert.equal(status.fwmark, 0x33);
      assert.ok(isEmptyChange(diffDevice(status, desired, desired)));
    });

    test('peers are removed, lose ranges and pass them on', async () => {
      const device = await fresh();
      await reach(
        device,
        config(peer('ada', ['10.0.0.1/32', '10.0.0.2/32']), peer('bob', ['10.0.0.3/32']), peer('cy', [])),
      );
      await reach(device, config(peer('ada', ['10.0.0.3/32']), peer('bob', ['10.0.0.2/32'])));
      assert.deepEqual(await ranges(device), { ada: ['10.0.0.3/32'], bob: ['10.0.0.2/32'] });
      await reach(device, config(peer('ada', [])));
      assert.deepEqual(await ranges(device), { ada: [] });
    });

    test('a range that is set on one peer leaves the other', async () => {
      const device = await fresh();
      await reach(device, config(peer('ada', ['10.0.0.1/32', '10.0.0.2/32'])));
      await device.backend.apply(device.name, { peers: [{ kind: 'set', peer: peer('bob', ['10.0.0.2/32']) }] });
      assert.deepEqual(await ranges(device), { ada: ['10.0.0.1/32'], bob: ['10.0.0.2/32'] });
    });

    test('a set without endpoint keeps it; without preshared key and keepalive it clears them', async () => {
      const device = await fresh();
      const full = { presharedKey: presharedKeyFor('ada'), endpoint: '192.0.2.1:5', persistentKeepalive: 25 };
      await reach(device, config(peer('ada', ['10.0.0.1/32'], full)));
      await device.backend.apply(device.name, { peers: [{ kind: 'set', peer: peer('ada', ['10.0.0.1/32']) }] });
      const ada = (await read(device)).peers.get(publicKeyFor('ada'));
      assert.equal(ada?.endpoint, '192.0.2.1:5');
      assert.equal(ada?.presharedKeyHash, undefined);
      assert.equal(ada?.persistentKeepalive, undefined);
    });

    test('removing a missing peer succeeds', async () => {
      const device = await fresh();
      await device.backend.apply(device.name, { peers: [{ kind: 'remove', publicKey: publicKeyFor('ada') }] });
      assert.equal((await read(device)).peers.size, 0);
    });

    test('a taken port is reported, delays no revocation, and can be retried', async () => {
      const holder = await fresh();
      const device = await fresh();
      const privateKey = privateKeyFor('gate');
      await holder.backend.apply(holder.name, { privateKey: privateKeyFor('x'), listenPort: 0, peers: [] });
      const { listenPort } = await read(holder);
      assert.notEqual(listenPort, 0);
      await device.backend.apply(device.name, {
        privateKey,
        peers: [{ kind: 'set', peer: peer('ada', ['10.0.0.1/32']) }],
      });
      const revoke = { listenPort, peers: [{ kind: 'remove', publicKey: publicKeyFor('ada') } as const] };
      const failure = { code: 'port-taken', message: new RegExp(`port ${listenPort} is taken`) };
      await assert.rejects(device.backend.apply(device.name, revoke), failure);
      assert.equal((await read(device)).peers.size, 0);
      await assert.rejects(device.backend.apply(device.name, revoke), failure);
      await holder.backend.remove(holder.name);
      await device.backend.apply(device.name, revoke);
      assert.equal((await read(device)).listenPort, listenPort);
    });

    test('a malformed change is rejected as a whole', async () => {
      const device = await fresh();
      await reach(device, config(peer('ada', ['10.0.0.1/32'])));
      const bad = { kind: 'set', peer: peer('bob', ['10.0.0.0/33']) } as const;
      const removal = { kind: 'remove', publicKey: publicKeyFor('ada') } as const;
      await assert.rejects(device.backend.apply(device.name, { peers: [removal, bad] }), { code: 'invalid' });
      await assert.rejects(device.backend.apply(device.name, { listenPort: 65536, peers: [removal] }), {
        code: 'invalid',
      });
      assert.deepEqual(await ranges(device), { ada: ['10.0.0.1/32'] });
    });

    test('one of a thousand peers is changed', async () => {
      const device = await fresh();
      const many = Array.from({ length: 1000 }, (_, index) =>
        peer(`p${index}`, [`10.7.${index >> 8}.${index & 255}/32`]),
      );
      await reach(device, config(...many));
      assert.equal((await read(device)).peers.size, 1000);
      const change = diffDevice(await read(device), config(...many.slice(1)));
      assert.deepEqual(change, { peers: [{ kind: 'remove', publicKey: many[0]?.publicKey }] });
      await device.backend.apply(device.name, change);
      assert.equal((await read(device)).peers.size, 999);
    });

    test('a removed device can be created again', async () => {
      const device = await fresh();
      await reach(device, config(peer('ada', ['10.0.0.1/32'])));
      await device.backend.remove(device.name);
      assert.equal(await device.backend.read(device.name), null);
      await device.backend.ensure(device.name);
      assert.equal((await read(device)).peers.size, 0);
    });
  });
}

interface Device {
  readonly backend: WireGuardBackend;
  readonly name: string;
}

async function read({ backend, name }: Device): Promise<DeviceStatus> {
  const status = await backend.read(name);
  assert.ok(status !== null, 'the device answers');
  return status;
}

/** Applies one diff and asserts that a second one is empty. */
async function reach(device: Device, desired: DeviceConfig): Promise<void> {
  await device.backend.apply(device.name, diffDevice(await read(device), desired));
  assert.ok(isEmptyChange(diffDevice(await read(device), desired)));
}

async function ranges(device: Device): Promise<Record<string, string[]>> {
  const names = new Map(['ada', 'bob', 'cy'].map((name) => [publicKeyFor(name), name]));
  const { peers } = await read(device);
  return Object.fromEntries([...peers].map(([key, { allowedIps }]) => [names.get(key), [...allowedIps].sort()]));
}

/** Sorts allowed IPs, because their order on a device has no meaning. */
function sorted<T extends { allowedIps: readonly string[] }>(status: T | undefined): unknown {
  return status === undefined ? undefined : { ...status, allowedIps: [...status.allowedIps].sort() };
}

function config(...peers: readonly PeerConfig[]): DeviceConfig {
  const byKey = new Map(peers.map((each) => [each.publicKey, each]));
  return { privateKey: privateKeyFor('gate'), listenPort: 0, peers: byKey };
}

function peer(name: string, allowedIps: readonly string[], more: Partial<PeerConfig> = {}): PeerConfig {
  return { publicKey: publicKeyFor(name), allowedIps, ...more };
}
