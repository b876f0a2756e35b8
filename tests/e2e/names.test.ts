import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Cleanup, until, whyNoNamespaces } from '@sallyport/testkit';
import { makePolicy, makeResource } from '../lab/administration.ts';
import { ClientUnderTest } from '../lab/client.ts';
import { configure, hasDnsmasq, startDnsmasq } from '../lab/names.ts';
import { SmallInternet } from '../lab/small-internet.ts';
import { ControllerUnderTest, GatewayUnderTest } from '../lab/system.ts';

const skip = whyNoNamespaces() ?? (hasDnsmasq ? false : 'needs dnsmasq');

test('a native device reaches a private resource by its name, from the API to the packet', { skip }, async (t) => {
  const cleanup = new Cleanup();
  t.after(() => cleanup.run());
  const world = await SmallInternet.create(cleanup);
  await configure(world, 'gateway', { 'resolv.conf': 'nameserver 10.20.0.10\n' });
  await configure(world, 'laptop', { 'resolv.conf': 'nameserver 127.0.0.9\noptions timeout:1 attempts:1\n' });
  const records = ['wiki.corp.example,10.20.0.10', 'vault.corp.example,10.20.0.10', 'public.example,198.51.100.7'];
  await startDnsmasq(world, 'web', '10.20.0.10', records);
  const web = await world.host('web');
  await web.listenHttp(80, 'the wiki');
  const controller = await ControllerUnderTest.start(world);
  const body = { name: 'office', wireguardPort: '51820', endpoint: '203.0.113.20' };
  const { id: gatewayId, token } = await controller.call('createGateway', { body });
  const gateway = await GatewayUnderTest.start(world, controller, token);
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

  await t.test('an edited hosts file opens nothing, also with a way into the tunnel', async () => {
    const space = world.space('laptop');
    await configure(world, 'laptop', { hosts: '10.20.0.10 wiki.corp.example vault.corp.example\n' });
    const denied = async () => {
      const counter = ['inet', `sallyport_${gateway.interface}`, 'drop_denied_in'];
      return Number(/packets (\d+)/.exec(await world.space('gateway').exec('nft', 'list', 'counter', ...counter))?.[1]);
    };
    const before = await denied();
    await space.ip('route', 'add', '10.20.0.10/32', 'dev', laptop.interface);
    await until('a denied packet', async () => {
      // The client may take its own prefixes back at any time.
      const peers = (await space.exec('wg', 'show', laptop.interface, 'allowed-ips')).trim().split('\n');
      const [key = '', list = ''] = (peers.find((line) => line.includes('100.96.')) ?? '').split('\t');
      const prefixes = [...list.split(' '), '10.20.0.10/32'].join(',');
      await space.exec('wg', 'set', laptop.interface, 'peer', key, 'allowed-ips', prefixes);
      assert.notEqual(await laptop.host.tcp('10.20.0.10', 80, { timeoutMs: 500 }), 'ok');
      return (await denied()) > before;
    });
    assert.equal(await get('wiki.corp.example'), 'failed', 'the real address of a granted name');
    assert.equal(await get('vault.corp.example'), 'failed', 'a name without a grant');
    await configure(world, 'laptop', { hosts: '127.0.0.1 localhost\n' });
    await until('the page again', async () => (await get('wiki.corp.example')) === 'the wiki');
  });

  await t.test('and the end of the policy closes it', async () => {
    await controller.call('deletePolicy', { params: { id: policy } });
    await until('the page to be gone', async () => (await get('wiki.corp.example')) === 'failed');
  });

  await t.test('and a full tunnel takes all names with it', async () => {
    const look = `require('dns').lookup('public.example', 4, (e, a) => console.log(e ? e.code : a))`;
    const resolve = async () => (await world.space('laptop').exec(process.execPath, '-e', look)).trim();
    assert.match(await resolve(), /^E/, 'the laptop has no resolver of its own');
    await makePolicy(controller, 'everything', {
      ...{ type: 'INTERNET', mode: 'INTERNET_ACCESS_POINT' },
      ...{ devices: [laptop.id], gateways: [gatewayId] },
    });
    await until('the answer of the gateway', async () => (await resolve()) === '198.51.100.7').catch((error: Error) => {
      throw new Error(`${error.message}\n${laptop.daemon.output.slice(-3000)}`);
    });
  });
});
