import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { Cleanup, exec, until, whyNoNamespaces } from '@sallyport/testkit';
import { makePolicy, makeResource } from '../lab/administration.ts';
import { ClientUnderTest } from '../lab/client.ts';
import { SmallInternet } from '../lab/small-internet.ts';
import { ControllerUnderTest, GatewayUnderTest } from '../lab/system.ts';

const hasResolver = await exec('dnsmasq', ['--version']).then(
  () => true,
  () => false,
);
const skip = whyNoNamespaces() ?? (hasResolver ? false : 'needs dnsmasq');

/** Gives the programs of a namespace a `resolv.conf` of their own. */
async function resolvConf(world: SmallInternet, place: 'gateway' | 'laptop', text: string): Promise<void> {
  const folder = join('/etc/netns', world.space(place).name);
  world.cleanup.add(() => rm(folder, { recursive: true, force: true }));
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'resolv.conf'), text);
  assert.equal(await world.space(place).exec('cat', '/etc/resolv.conf'), text);
}

async function startResolver(world: SmallInternet, records: readonly string[]): Promise<void> {
  const where = ['--listen-address=10.20.0.10', '--bind-interfaces', '--user=root', '--pid-file=', '--no-hosts'];
  const hosts = records.map((record) => `--host-record=${record}`);
  const args = ['netns', 'exec', world.space('web').name, 'dnsmasq', '--keep-in-foreground', '--no-resolv'];
  const child: ChildProcess = spawn('ip', [...args, ...where, ...hosts], { stdio: 'ignore' });
  world.cleanup.add(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  });
}

test('a native device reaches a private resource by its name, from the API to the packet', { skip }, async (t) => {
  const cleanup = new Cleanup();
  t.after(() => cleanup.run());
  const world = await SmallInternet.create(cleanup);
  await resolvConf(world, 'gateway', 'nameserver 10.20.0.10\n');
  await resolvConf(world, 'laptop', 'nameserver 127.0.0.9\noptions timeout:1 attempts:1\n');
  await startResolver(world, ['wiki.corp.example,10.20.0.10', 'vault.corp.example,10.20.0.10']);
  const web = await world.host('web');
  await web.listenHttp(80, 'the wiki');
  const controller = await ControllerUnderTest.start(world);
  const body = { name: 'office', wireguardPort: '51820', endpoint: '203.0.113.20' };
  const { id: gatewayId, token } = await controller.call('createGateway', { body });
  await GatewayUnderTest.start(world, controller, token);
  await controller.gatewayIs(gatewayId, 'ONLINE');
  const resource = (name: string) =>
    makeResource(controller, { name, addresses: [`${name}.corp.example`], ports: ['TCP 80'], gateways: [gatewayId] });
  const wiki = await resource('wiki');
  await resource('vault');
  const laptop = await ClientUnderTest.up(world, controller, 'laptop');
  await until('the device to enrol', () =>
    controller.call('getDevice', { params: { id: laptop.id } }).catch(() => null),
  );
  const policy = await makePolicy(controller, 'wiki', { devices: [laptop.id], resources: [wiki] });
  const get = async (name: string): Promise<string> => {
    const script = `fetch('http://${name}/', { signal: AbortSignal.timeout(3000) }).then((r) => r.text()).then(console.log, (e) => console.log('failed'))`;
    return (await world.space('laptop').exec(process.execPath, '-e', script)).trim();
  };

  await t.test('what is granted opens, and only that', async () => {
    await until('the page', async () => (await get('wiki.corp.example')) === 'the wiki').catch((error: Error) => {
      throw new Error(`${error.message}\n${laptop.daemon.output.slice(-3000)}`);
    });
    assert.equal(await get('vault.corp.example'), 'failed');
    assert.notEqual(
      await laptop.host.tcp('10.20.0.10', 80, { timeoutMs: 500 }),
      'ok',
      'the real address opens nothing',
    );
    const shown = await controller.call('getResource', { params: { id: wiki } });
    assert.equal(shown.status, 'ONLINE');
    assert.equal(shown.unreachableReason, undefined);
  });

  await t.test('and the end of the policy closes it', async () => {
    await controller.call('deletePolicy', { params: { id: policy } });
    await until('the page to be gone', async () => (await get('wiki.corp.example')) === 'failed');
  });
});
