import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { clientItem, routeItem } from '@sallyport/agent-core/testing';
import type { StateItem } from '@sallyport/contract/channel';
import { Daemon, Host, Namespace, until, whyNoNamespaces } from '@sallyport/testkit';
import type { Offer } from './testing/dhcp-server.ts';
import { networkText, publicAddress, serverAddress, World } from './testing/world.ts';

const skip =
  whyNoNamespaces() ?? (spawnSync('udhcpc', ['--help']).error === undefined ? false : 'needs udhcpc (a DHCP client)');
const server = fileURLToPath(new URL('testing/dhcp-server.ts', import.meta.url));
const evil = '192.0.2.1';
const routes = [
  ...['0.0.0.0/1', '128.0.0.0/1'].map((to) => ({ to, via: evil })),
  ...[`${serverAddress}/32`, `${publicAddress}/32`].map((to) => ({ to, via: evil })),
];
const plain: Offer = { server: evil, address: '192.0.2.2', prefixLength: 24, leaseSeconds: 3600, routes: [] };
const hostile: Offer = { ...plain, routes };
/** The script that a DHCP client of a usual system runs for an offer. */
const script = `#!/bin/sh
case $1 in bound|renew) ;; *) exit 0 ;; esac
ip addr replace $ip/$mask dev $interface
set -- $staticroutes
while [ $# -ge 2 ]; do ip route replace $1 via $2 dev $interface proto dhcp; shift 2; done
`;

/** A network that answers for foreign addresses, and counts the packets sent to them outside of the tunnel. */
class HostileNetwork {
  readonly world: World;
  readonly namespace: Namespace;
  #server: Daemon | null = null;

  private constructor(world: World, namespace: Namespace) {
    this.world = world;
    this.namespace = namespace;
  }

  static async around(t: TestContext): Promise<HostileNetwork> {
    const world = await World.create(t);
    const namespace = await Namespace.create(`spc-evil-${world.tag}`, world.cleanup);
    await world.plug(namespace, 'evil', `${evil}/24`);
    await namespace.ip('route', 'add', '255.255.255.255/32', 'dev', 'eth0');
    const stolen = [serverAddress, publicAddress];
    for (const address of stolen) await namespace.ip('addr', 'add', `${address}/32`, 'dev', 'lo');
    const host = await Host.start(namespace, world.cleanup);
    await host.listenTcp(80);
    await namespace.exec('nft', 'add table ip spy; add counter ip spy leaked');
    await namespace.exec('nft', 'add chain ip spy seen { type filter hook prerouting priority raw; }');
    await namespace.exec('nft', `add rule ip spy seen ip daddr { ${stolen.join(', ')} } counter name leaked`);
    await writeFile(join(world.stateDir, 'lease.sh'), script, { mode: 0o755 });
    return new HostileNetwork(world, namespace);
  }

  /** Returns the number of packets to the resource or the public server that this network saw unencrypted. */
  async leaked(): Promise<number> {
    const listing = JSON.parse(await this.namespace.exec('nft', '-j', 'list', 'counter', 'ip', 'spy', 'leaked'));
    return listing.nftables.find((entry: { counter?: object }) => entry.counter)?.counter.packets;
  }

  /** Makes the device take a lease from this network; resolves when its routes exist. */
  async lease(wish: Offer): Promise<void> {
    await this.serve(wish);
    await this.udhcpc('-n', '-q').says(/lease of \S+ obtained/);
    await until('the pushed routes', async () => {
      const there = await this.world.device.namespace.ip('route', 'show', 'proto', 'dhcp');
      return there.split('\n').filter((line) => line.includes(evil)).length >= wish.routes.length;
    });
  }

  async serve(wish: Offer): Promise<Daemon> {
    await this.#server?.kill('SIGKILL');
    const { cleanup } = this.world;
    this.#server = Daemon.start([server, JSON.stringify(wish)], { cleanup, namespace: this.namespace });
    await this.#server.says(/listening/);
    return this.#server;
  }

  udhcpc(...args: string[]): Daemon {
    const { cleanup, device, stateDir } = this.world;
    const run = `exec udhcpc -f -i eth0 -O staticroutes -s ${join(stateDir, 'lease.sh')} ${args.join(' ')}`;
    return Daemon.start([], { cleanup, namespace: device.namespace, wrapper: ['sh', '-c', run] });
  }

  /** Returns whether an address answers through the tunnel without a packet seen here. */
  async isCarried(address: string): Promise<void> {
    const before = await this.leaked();
    await this.world.reaches(address);
    assert.equal(await this.leaked(), before, `${address} was seen outside of the tunnel`);
  }

  async isClosed(address: string): Promise<void> {
    const before = await this.leaked();
    const { device } = this.world;
    const answers = [
      await device.tcp(address, 80, { timeoutMs: 400 }),
      await device.udp(address, 81, { timeoutMs: 300 }),
    ];
    assert.ok(!answers.includes('ok'), String(answers));
    assert.equal(await this.leaked(), before, `${address} was seen outside of the tunnel`);
  }
}

test('routes that DHCP pushes divert no traffic from a split, full or restricted tunnel', { skip }, async (t) => {
  const network = await HostileNetwork.around(t);
  const { world } = network;
  const { namespace } = world.device;
  await network.lease(hostile);
  assert.equal(await world.answers(), true, 'without a tunnel the network answers for the resource');
  assert.ok((await network.leaked()) > 0);
  for (const { to } of routes) await namespace.ip('route', 'del', to, 'proto', 'dhcp');
  const before = await networkText(namespace);
  await world.up();

  await t.test('split: routes that come later, at once and in the status', async () => {
    await network.lease(hostile);
    await network.isCarried(serverAddress);
    const status = await world.is('the pushed route to be told', ({ contests = [] }) =>
      contests.some(({ route, winner }) => route === `${serverAddress}/32` && winner === 'tunnel'),
    );
    assert.ok(status.notes.some((note) => note.includes(`the route to ${serverAddress}/32 on eth0 is not used`)));
    assert.equal(status.current, true);
  });

  await t.test('split: a network that is numbered like the resource', async () => {
    await namespace.ip('addr', 'add', '10.20.0.77/24', 'dev', 'eth0');
    await network.isCarried(serverAddress);
    await world.is('the network to be told', ({ contests = [] }) => contests.some(({ kind }) => kind === 'connected'));
    await namespace.ip('addr', 'del', '10.20.0.77/24', 'dev', 'eth0');
    await world.is('the network to be gone', ({ contests = [] }) => contests.every(({ kind }) => kind !== 'connected'));
  });

  for (const localNetwork of [undefined, 'CLOSED', 'OPEN'] as const) {
    const client = clientItem(localNetwork === undefined ? {} : { localNetwork });

    await t.test(`full, local network ${localNetwork ?? 'as it is'}`, async () => {
      await put(world, [client, routeItem('0.0.0.0/0', [1])]);
      await network.isCarried(publicAddress);
      await network.isCarried(serverAddress);
      await namespace.ip('addr', 'add', '11.1.1.77/24', 'dev', 'eth0');
      await network.isCarried(publicAddress);
      await namespace.ip('addr', 'del', '11.1.1.77/24', 'dev', 'eth0');
    });

    await t.test(`restricted, local network ${localNetwork ?? 'as it is'}`, async () => {
      await put(world, [client, routeItem('0.0.0.0/0', [])]);
      await network.isClosed(publicAddress);
      await network.isCarried(serverAddress);
    });
  }

  await t.test('a lease is renewed through a full tunnel', async () => {
    await put(world, [clientItem({ localNetwork: 'CLOSED' }), routeItem('0.0.0.0/0', [1])]);
    const leases = await network.serve(hostile);
    const client = network.udhcpc();
    await client.says(/obtained/);
    client.child.kill('SIGUSR1');
    await leases.says(/renewed/);
    await client.kill('SIGKILL');
  });

  await t.test('after kill -9 the tunnel keeps what it has, and down restores the network', async () => {
    await world.daemon.kill('SIGKILL');
    await network.isCarried(publicAddress);
    await world.command('down');
    for (const { to } of routes) await namespace.ip('route', 'del', to, 'proto', 'dhcp');
    assert.equal(await networkText(namespace), before);
    await until('the network to have the resource again', async () => {
      await namespace.ip('route', 'replace', serverAddress, 'via', evil);
      return world.answers();
    });
  });
});

/** Puts items in force and waits until they are. */
async function put(world: World, items: readonly StateItem[]): Promise<void> {
  await world.controller.change([...items]);
  const internet = items.find(({ kind }) => kind === 'route');
  await world.is('the change to be in force', ({ current, routes: shown }) => {
    const route = shown.find(({ prefix }) => prefix === '0.0.0.0/0');
    const carried = internet?.kind === 'route' && internet.gateways.length > 0;
    return current && route !== undefined && (route.carrier !== null) === carried;
  });
}
