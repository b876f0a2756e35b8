import assert from 'node:assert/strict';
import { readdir, readFile, readlink, stat } from 'node:fs/promises';
import { test } from 'node:test';
import { diffDevice } from '../diff.ts';
import { privateKeyFor, publicKeyFor } from '../testing/keys.ts';
import {
  addNamespace,
  deleteNamespace,
  eventually,
  inNamespace,
  succeedsIn,
  uniqueName,
  whyNoPackets,
} from '../testing/namespace.ts';
import { remoteBackend } from '../testing/remote-backend.ts';
import { configOf, type End, openTunnel, type Tunnel } from '../testing/tunnel.ts';
import type { DeviceConfig, DeviceStatus } from '../types.ts';

const skip = whyNoPackets() ?? false;

test('packets pass between two devices', { skip }, async (t) => {
  const tunnel = await openTunnel();
  t.after(() => tunnel.close());
  const { gate, phone } = tunnel;
  await connect(tunnel);

  await t.test('handshake and counters are reported', async () => {
    const peer = (await status(gate)).peers.get(publicKeyFor('phone'));
    assert.equal(peer?.endpoint, `${phone.outer}:51820`);
    assert.ok(Math.abs(Date.now() - (peer?.lastHandshake ?? 0)) < 60_000);
    assert.ok((peer?.rxBytes ?? 0) > 0 && (peer?.txBytes ?? 0) > 0);
  });

  await t.test('a changed port moves the listener, and the peers stay', async () => {
    assert.deepEqual(diffDevice(await status(gate), configOf(gate, phone, {}, 443)), { listenPort: 443, peers: [] });
    await reach(gate, configOf(gate, phone, {}, 443));
    assert.deepEqual(await udpPorts(gate), [443]);
    assert.ok(await pings(gate, phone), 'the gate still knows where the phone is');
    assert.equal((await status(phone)).peers.get(publicKeyFor('gate'))?.endpoint, `${gate.outer}:443`);
  });

  await t.test('a removed peer is cut off', async () => {
    await reach(gate, { ...configOf(gate, phone), peers: new Map() });
    assert.equal(await pings(phone, gate), false);
  });

  await t.test('a peer added again with its endpoint and keepalive is back without waiting for it', async () => {
    await reach(gate, configOf(gate, phone, { endpoint: `${phone.outer}:51820`, persistentKeepalive: 25 }));
    await eventually('the phone answers again', () => pings(gate, phone));
  });
});

test('wireguard-go killed: link, addresses and routes stay, and ensure brings it back', { skip }, async (t) => {
  const tunnel = await openTunnel();
  t.after(() => tunnel.close());
  const { gate, phone } = tunnel;
  await connect(tunnel);
  await killWireGuardGo(gate.link);
  assert.equal(await gate.backend.read(gate.link), null);
  assert.ok((await stat(socketOf(gate.link))).isSocket(), 'the dead one left its socket behind');
  const before = await network(gate);
  assert.match(before, /inet 100\.64\.0\.1\/32/);
  assert.match(before, /100\.64\.0\.0\/10 dev/);
  await gate.backend.ensure(gate.link);
  assert.equal(await network(gate), before);
  assert.match(await inNamespace(gate.namespace, 'ip', 'link', 'show', gate.link), /mtu 1280 .* state (UP|UNKNOWN)/);
  await reach(gate, configOf(gate, phone, { endpoint: `${phone.outer}:51820`, persistentKeepalive: 25 }));
  await eventually('traffic flows again', () => pings(phone, gate));
});

test('wireguard-go outlives the agent in its own session and has no key in its arguments or environment', {
  skip,
}, async (t) => {
  const tunnel = await openTunnel();
  t.after(() => tunnel.close());
  const { gate, phone } = tunnel;
  await connect(tunnel);
  const pid = await pidOf(gate.link);
  await gate.backend.kill();
  assert.ok(await pings(phone, gate));
  const successor = remoteBackend('userspace', ['ip', 'netns', 'exec', gate.namespace]);
  t.after(() => successor.kill());
  await successor.ensure(gate.link);
  assert.equal(await pidOf(gate.link), pid, 'a living one is left alone');
  assert.equal((await successor.read(gate.link))?.peers.size, 1);
  assert.notEqual(await sessionOf(pid), await sessionOf(process.pid));
  assert.equal(await readlink(`/proc/${pid}/cwd`), '/');
  const environment = (await readFile(`/proc/${pid}/environ`, 'latin1')).split('\0').filter((text) => text !== '');
  assert.deepEqual(
    environment.filter((text) => !/^(PATH|LC_ALL|WG_[A-Z_]+)=/.test(text)),
    [],
    'it inherits nothing from the environment of the agent',
  );
  assert.ok(!environment.some((text) => text.includes(privateKeyFor('gate'))));
});

test('a suspended wireguard-go is reported, not replaced', { skip }, async (t) => {
  const namespace = await addNamespace();
  const backend = remoteBackend('userspace', ['ip', 'netns', 'exec', namespace], { timeoutMs: 1000 });
  const name = uniqueName();
  await backend.ensure(name);
  const pid = await pidOf(name);
  t.after(async () => {
    await backend.remove(name);
    await backend.kill();
    await deleteNamespace(namespace);
  });
  process.kill(pid, 'SIGSTOP');
  try {
    await assert.rejects(backend.read(name), { code: 'timeout', message: /within 1000 ms/ });
    await assert.rejects(backend.ensure(name), { code: 'timeout' });
  } finally {
    process.kill(pid, 'SIGCONT');
  }
  await backend.ensure(name);
});

test('names that belong to others are left alone', { skip }, async (t) => {
  const [ours, theirs] = [await addNamespace(), await addNamespace()];
  const [backend, other] = [ours, theirs].map((namespace) =>
    remoteBackend('userspace', ['ip', 'netns', 'exec', namespace]),
  );
  assert.ok(backend !== undefined && other !== undefined);
  const name = uniqueName();
  t.after(async () => {
    await other.remove(name);
    await Promise.all([backend.kill(), other.kill()]);
    await deleteNamespace(ours);
    await deleteNamespace(theirs);
  });
  await other.ensure(name);
  await assert.rejects(backend.ensure(name), { code: 'name-taken', message: /another network namespace/ });
  await backend.remove(name);
  assert.notEqual(await other.read(name), null, 'the other one lives');
  await inNamespace(ours, 'ip', 'link', 'add', 'lan0', 'type', 'bridge');
  await assert.rejects(backend.ensure('lan0'), { code: 'name-taken', message: /bridge/ });
  await assert.rejects(backend.remove('lan0'), { code: 'name-taken' });
});

/** Applies a configuration on both ends, with the gate's endpoint on the phone, and sends a ping through the tunnel. */
async function connect({ gate, phone }: Tunnel): Promise<void> {
  await reach(gate, configOf(gate, phone));
  await reach(phone, configOf(phone, gate, { endpoint: `${gate.outer}:51820` }));
  await eventually('a ping through the tunnel', () => pings(phone, gate));
}

async function reach(end: End, desired: DeviceConfig): Promise<void> {
  await end.backend.apply(end.link, diffDevice(await status(end), desired));
}

async function status(end: End): Promise<DeviceStatus> {
  const present = await end.backend.read(end.link);
  assert.ok(present !== null);
  return present;
}

function pings(from: End, to: End): Promise<boolean> {
  return succeedsIn(from.namespace, 'ping', '-n', '-c', '1', '-W', '1', to.inner);
}

async function udpPorts(end: End): Promise<number[]> {
  const table = await inNamespace(end.namespace, 'cat', '/proc/net/udp');
  return table
    .split('\n')
    .slice(1, -1)
    .map((line) => Number.parseInt(line.trim().split(/[\s:]+/)[2] ?? '', 16));
}

/** Returns addresses and routes, without flags that only show a missing carrier. */
async function network({ namespace, link }: End): Promise<string> {
  const addresses = await inNamespace(namespace, 'ip', '-o', '-4', 'addr', 'show', 'dev', link);
  const routes = await inNamespace(namespace, 'ip', 'route', 'show', 'dev', link);
  return `${addresses}${routes.replace('100.64.0.0/10', '100.64.0.0/10 dev')}`
    .replaceAll('linkdown', '')
    .replace(/ +$/gm, '');
}

async function killWireGuardGo(link: string): Promise<void> {
  const pid = await pidOf(link);
  process.kill(pid, 'SIGKILL');
  await eventually('it is gone', async () => (await pidsOf(link)).length === 0);
}

async function pidOf(link: string): Promise<number> {
  const [pid, ...more] = await pidsOf(link);
  assert.ok(pid !== undefined && more.length === 0, 'exactly one wireguard-go serves the link');
  return pid;
}

async function pidsOf(link: string): Promise<number[]> {
  const pids = (await readdir('/proc')).filter((entry) => /^[0-9]+$/.test(entry));
  const argvs = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/cmdline`, 'latin1').catch(() => '')));
  return pids.filter((_, index) => argvs[index] === `wireguard-go\0${link}\0`).map(Number);
}

/** proc(5): the fourth field after the command's name. */
async function sessionOf(pid: number): Promise<string | undefined> {
  return (await readFile(`/proc/${pid}/stat`, 'latin1')).split(') ')[1]?.split(' ')[3];
}

function socketOf(link: string): string {
  return `/var/run/wireguard/${link}.sock`;
}
