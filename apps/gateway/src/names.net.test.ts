import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { bundleItem, classItem, profileItem } from '@sallyport/agent-core/testing';
import { type NameItem, publicClass, type StateItem } from '@sallyport/contract/channel';
import { exec, until, whyNoNamespaces } from '@sallyport/testkit';
import { lastHeard, serverAddress, serverAddress6, World } from './testing/world.ts';

const hasResolver = await exec('dnsmasq', ['--version']).then(
  () => true,
  () => false,
);
const hasConntrack = await exec('conntrack', ['--version']).then(
  () => true,
  () => false,
);
const skip = whyNoNamespaces() ?? (hasResolver ? false : 'needs dnsmasq');

const gatewayAddress = '100.64.0.1';
const virtual = (n: number): [string, string] => [`100.96.0.${n}`, `fd00:5a11:0:ffff::${n}`];
const nameItem = (id: string, n: number): NameItem => ({
  ...{ kind: 'name', key: `name/${id}`, id, addresses: virtual(n) },
  resources: [{ id: `r-${n}`, probe: `a-${n}`, port: 80 }],
});
const single = (addresses: readonly string[]) => addresses.map((address) => `${address}-${address}`);

/** The device may reach port 80 of one name. Another name has no grant, and further ones do not resolve. */
function items(world: World): StateItem[] {
  const own = world.items().filter(({ kind }) => kind === 'gateway' || kind === 'device');
  return [
    ...own,
    nameItem('wiki.corp.example', 1),
    nameItem('vault.corp.example', 2),
    nameItem('nowhere.corp.example', 3),
    nameItem('rebound.corp.example', 4),
    nameItem('twofold.corp.example', 5),
    profileItem('p1', [{ class: 'c1', bundle: 'b1', expiresAt: null }]),
    classItem('c1', single([...virtual(1), ...virtual(3), ...virtual(4), ...virtual(5)])),
    bundleItem('b1', [{ protocol: 'tcp', from: 80, to: 80, policy: 'web' }]),
  ];
}

/** Opens one more name to the device. */
const late: StateItem[] = [
  profileItem('p1', [
    { class: 'c1', bundle: 'b1', expiresAt: null },
    { class: 'c6', bundle: 'b1', expiresAt: null },
  ]),
  classItem('c6', single(virtual(6))),
];

/** A real resolver beside the private server. Its zone is a file of hosts. */
class Zone {
  readonly #world: World;
  readonly #file: string;
  #process: ChildProcess | null = null;

  constructor(world: World) {
    this.#world = world;
    this.#file = join(world.stateDir, 'zone.hosts');
    world.cleanup.add(() => this.stop());
  }

  async set(hosts: Readonly<Record<string, readonly string[]>>): Promise<void> {
    const lines = Object.entries(hosts).flatMap(([name, addresses]) =>
      addresses.map((address) => `${address} ${name}.corp.example`),
    );
    await writeFile(this.#file, `${lines.join('\n')}\n`);
    if (this.#process === null) this.start();
    else this.#process.kill('SIGHUP');
  }

  start(): void {
    const zone = ['--no-resolv', '--no-hosts', '--local=/corp.example/', '--local-ttl=5', `--addn-hosts=${this.#file}`];
    const where = [`--listen-address=${serverAddress}`, '--bind-interfaces', '--user=root', '--pid-file='];
    const command = ['dnsmasq', '--keep-in-foreground', ...zone, ...where];
    this.#process = spawn('ip', ['netns', 'exec', this.#world.server.namespace.name, ...command], { stdio: 'ignore' });
  }

  async stop(): Promise<void> {
    const child = this.#process;
    this.#process = null;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  }
}

/** Asks the gateway as the device, or as another host. Returns the addresses, NODATA, SILENT or the code of the answer. */
async function ask(
  world: World,
  name: string,
  type: 'A' | 'AAAA' | 'HTTPS' = 'A',
  over = 'udp',
  from = world.device.namespace,
): Promise<string> {
  const program = fileURLToPath(new URL('testing/ask-dns.ts', import.meta.url));
  return (await from.exec(process.execPath, program, gatewayAddress, `${name}.corp.example`, type, over)).trim();
}

const hosts = {
  wiki: [serverAddress, serverAddress6],
  vault: [serverAddress],
  rebound: ['127.0.0.1', '10.20.0.1'],
  twofold: ['10.19.0.2', serverAddress],
};

async function start(t: TestContext): Promise<{ world: World; zone: Zone }> {
  const world = await World.create();
  t.after(() => world.cleanup.run());
  const folder = join('/etc/netns', world.gateway.name);
  world.cleanup.add(() => rm(folder, { recursive: true, force: true }));
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'resolv.conf'), `nameserver ${serverAddress}\n`);
  const zone = new Zone(world);
  await zone.set(hosts);
  await world.controller.change(items(world));
  world.startAgent();
  await world.applied();
  await world.deviceUp();
  const { namespace } = world.device;
  for (const prefix of [`${gatewayAddress}/32`, '100.96.0.0/11', 'fd00:5a11:0:ffff::/64'])
    await namespace.ip('route', 'add', prefix, 'dev', world.deviceInterface);
  return { world, zone };
}

test('a gateway resolves names, answers who may reach them, and translates', { skip }, async (t) => {
  const { world, zone } = await start(t);
  const { device, controller } = world;
  const [wiki, wiki6] = virtual(1);
  const detail = async (probe: string) => {
    const heard = (await controller.heard()).flatMap((message) => ('probes' in message ? message.probes : []));
    return heard.findLast(({ id }) => id === probe)?.detail ?? '';
  };

  await t.test('of its own grants, and nothing else', async () => {
    await until('the name', async () => (await ask(world, 'wiki')) === wiki);
    assert.equal(await ask(world, 'WIKI', 'AAAA'), wiki6);
    assert.equal(await ask(world, 'wiki', 'A', 'tcp'), wiki);
    assert.equal(await ask(world, 'wiki', 'HTTPS'), 'NODATA');
    assert.equal(await ask(world, 'vault'), 'REFUSED');
    assert.equal(await ask(world, 'other'), 'REFUSED');
    assert.equal(await ask(world, 'nowhere'), 'NXDOMAIN');
    assert.equal(await ask(world, 'rebound'), 'NXDOMAIN', 'loopback and the gateway itself are no targets');
    assert.match(await until('a result', () => detail('a-3')), /nowhere\.corp\.example does not exist/);
    assert.match(await detail('a-4'), /10\.20\.0\.1, which no name may have|127\.0\.0\.1, which no name may have/);
  });

  await t.test('and of other names, as its own resolver answers, where the tenant lets it', async () => {
    const gateway = world.items().find(({ kind }) => kind === 'gateway') as StateItem & { kind: 'gateway' };
    await zone.set({ ...hosts, www: ['203.0.113.7'], inner: ['10.20.0.99'], mixed: ['100.64.0.1', '203.0.113.8'] });
    assert.equal(await ask(world, 'www'), 'REFUSED');
    await controller.change([{ ...gateway, forwarding: true }]);
    await until('a forwarded answer', async () => (await ask(world, 'www')) === '203.0.113.7');
    assert.equal(await ask(world, 'www', 'A', 'tcp'), '203.0.113.7');
    assert.equal(await ask(world, 'www', 'HTTPS'), 'NODATA');
    assert.equal(await ask(world, 'inner'), 'NODATA', 'a private address out of reach');
    assert.equal(await ask(world, 'mixed'), '203.0.113.8', 'an answer in the overlay');
    assert.equal(await ask(world, 'absent'), 'NXDOMAIN');
    assert.equal(await ask(world, 'vault'), 'REFUSED', 'a name of a resource without a grant');
    assert.equal(await ask(world, 'wiki'), wiki);
    await controller.change([gateway]);
    await until('the end of it', async () => (await ask(world, 'www')) === 'REFUSED');
    await zone.set(hosts);
  });

  await t.test('and packets reach the real server through the virtual address alone', async () => {
    assert.equal(await device.tcp(wiki, 80), 'ok');
    assert.equal(await device.tcp(wiki6, 80), 'ok');
    assert.equal(await device.tcp(wiki, 81, { timeoutMs: 500 }), 'timeout');
    assert.equal(await device.tcp(serverAddress, 80, { timeoutMs: 500 }), 'timeout');
    assert.equal(await device.tcp(virtual(2)[0], 80, { timeoutMs: 500 }), 'timeout');
  });

  await t.test('to one of several addresses that answers', async () => {
    const [twofold] = virtual(5);
    assert.equal(await ask(world, 'twofold'), twofold);
    await until('a connection', async () => (await device.tcp(twofold, 80, { timeoutMs: 500 })) === 'ok');
  });

  await t.test('and hosts of the LAN get neither answers nor connections', async () => {
    const { namespace } = world.server;
    await namespace.ip('route', 'add', `${gatewayAddress}/32`, 'via', '10.20.0.1');
    assert.equal(await ask(world, 'wiki', 'A', 'tcp', namespace), 'CLOSED');
    assert.equal(await ask(world, 'wiki', 'A', 'udp', namespace), 'SILENT');
  });

  await t.test('with the last answer while the resolver is dead, also after kill -9', async () => {
    await zone.stop();
    await world.agent.kill('SIGKILL');
    assert.equal(await device.tcp(wiki, 80), 'ok', 'nothing but the answers depends on the agent');
    world.startAgent([], '\n');
    await world.applied();
    await until('the name', async () => (await ask(world, 'wiki')) === wiki);
    assert.equal(await device.tcp(wiki, 80), 'ok');
  });

  await t.test('and a name that leaves the zone is rejected, without a cut of running flows', async () => {
    await device.startStream('s', wiki, 80);
    await zone.set({ vault: [serverAddress] });
    await until('the name to go', async () => (await ask(world, 'wiki')) === 'NXDOMAIN');
    const { received } = await device.stream('s');
    await until('echoes', async () => (await device.stream('s')).received > received + 5);
    assert.notEqual(await device.tcp(wiki, 80, { timeoutMs: 500 }), 'ok');
    await device.stopStream('s');
    await zone.set({ wiki: [serverAddress], late: [serverAddress] });
    await until('the name', async () => (await ask(world, 'wiki')) === wiki);
    assert.equal(await ask(world, 'wiki', 'AAAA'), 'NODATA', 'only families with a real address');
    assert.equal(await device.tcp(wiki, 80), 'ok');
  });

  await t.test('and a flow ends when a policy denies its real address', { skip: !hasConntrack }, async () => {
    const flows = () => world.gateway.exec('conntrack', '-L', '--orig-dst', wiki, '--reply-src', serverAddress);
    await device.startStream('s', wiki, 80);
    await until('echoes', async () => (await device.stream('s')).received > 5);
    assert.match(await flows(), /ESTABLISHED/);
    const [gateway] = world.items().filter(({ kind }) => kind === 'gateway');
    assert.ok(gateway?.kind === 'gateway');
    await controller.change([{ ...gateway, deniedRanges: [`${serverAddress}-${serverAddress}`] }]);
    await world.applied();
    await until('the end of the flow', async () => !/ESTABLISHED/.test(await flows()));
    await device.stopStream('s');
    await controller.change([gateway]);
    await until('the name again', async () => (await device.tcp(wiki, 80, { timeoutMs: 500 })) === 'ok');
  });

  await t.test(
    'and a flow to a name of a wildcard is a use of it, without any query',
    { skip: !hasConntrack },
    async () => {
      await controller.change([{ ...nameItem('wiki.corp.example', 1), resources: [] }]);
      await world.applied();
      await device.startStream('s', wiki, 80);
      await until('echoes', async () => (await device.stream('s')).received > 5);
      await world.agent.kill('SIGKILL');
      world.startAgent([], '\n');
      const used = async () => (await controller.heard()).findLast((message) => message.type === 'names-used');
      assert.deepEqual((await until('a use', used)).names, ['wiki.corp.example']);
      await world.applied();
      await device.stopStream('s');
      await controller.change([nameItem('wiki.corp.example', 1)]);
      await world.applied();
    },
  );

  await t.test('and asks the resolvers that the controller names, as soon as it does', async () => {
    const [gateway] = world.items().filter(({ kind }) => kind === 'gateway');
    assert.ok(gateway?.kind === 'gateway');
    const asking = (address: string) => ({
      ...gateway,
      dnsServers: [{ address, port: 53, domains: ['corp.example'] }],
    });
    await controller.change([asking('127.0.0.9'), nameItem('late.corp.example', 6), ...late]);
    await until('no answer', async () => (await ask(world, 'late')) === 'SERVFAIL');
    await controller.change([asking(serverAddress)]);
    await until('an answer', async () => (await ask(world, 'late')) === virtual(6)[0]);
    await controller.change([gateway], ['name/late.corp.example']);
    await world.applied();
  });

  await t.test('and without names it listens on no port and has no rule', async () => {
    await controller.change(
      [],
      items(world)
        .filter(({ kind }) => kind === 'name')
        .map(({ key }) => key),
    );
    await world.applied();
    assert.equal(await ask(world, 'wiki'), 'SILENT');
    const rules = await world.gateway.exec('nft', 'list', 'ruleset');
    assert.doesNotMatch(rules, /dnat|dport 53/);
    assert.ok((await lastHeard(controller, 'heartbeat')).dropped !== undefined);
  });

  await t.test('unless devices have a full tunnel through it, which ask for all names', async () => {
    const gateway = world.items().find(({ kind }) => kind === 'gateway') as StateItem & { kind: 'gateway' };
    const internet = classItem('internet', ['0.0.0.0-255.255.255.255']);
    await controller.change([
      { ...gateway, forwarding: true },
      { ...internet, id: publicClass, key: `class/${publicClass}` },
    ]);
    await until('an answer', async () => (await ask(world, 'absent')) === 'NXDOMAIN');
  });
});
