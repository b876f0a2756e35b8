import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Cleanup, until, whyNoNamespaces } from '@sallyport/testkit';
import { makePolicy, makeResource } from '../lab/administration.ts';
import { ClientUnderTest } from '../lab/client.ts';
import { configure, hasDnsmasq, startDnsmasq } from '../lab/names.ts';
import { SmallInternet } from '../lab/small-internet.ts';
import { ControllerUnderTest, GatewayUnderTest } from '../lab/system.ts';

const skip = whyNoNamespaces() ?? (hasDnsmasq ? false : 'needs dnsmasq');

test('a device reaches names of a wildcard, from the first query to the packet', { skip }, async (t) => {
  const cleanup = new Cleanup();
  t.after(() => cleanup.run());
  const world = await SmallInternet.create(cleanup);
  await configure(world, 'gateway', { 'resolv.conf': 'nameserver 10.20.0.10\n' });
  await configure(world, 'laptop', { 'resolv.conf': 'nameserver 127.0.0.9\noptions timeout:5 attempts:1\n' });
  const records = ['wiki', 'docs', 'late', 'a.b'].map((name) => `${name}.corp.example,10.20.0.10`);
  await startDnsmasq(world, 'web', '10.20.0.10', records, ['corp.example']);
  const web = await world.host('web');
  await web.listenHttp(80, 'the wiki');
  const controller = await ControllerUnderTest.start(world);
  const body = { name: 'office', wireguardPort: '51820', endpoint: '203.0.113.20' };
  const { id: gatewayId, token } = await controller.call('createGateway', { body });
  await GatewayUnderTest.start(world, controller, token);
  await controller.gatewayIs(gatewayId, 'ONLINE');
  const wish = { name: 'corp', addresses: ['*.corp.example'], ports: ['TCP 80'], gateways: [gatewayId] };
  const corp = await makeResource(controller, wish);
  const laptop = await ClientUnderTest.up(world, controller, 'laptop');
  await until('the device to enrol', () =>
    controller.call('getDevice', { params: { id: laptop.id } }).catch(() => null),
  );
  await makePolicy(controller, 'corp', { devices: [laptop.id], resources: [corp] });
  const inLaptop = async (script: string) => (await world.space('laptop').exec(process.execPath, '-e', script)).trim();
  const get = (name: string) =>
    inLaptop(
      `fetch('http://${name}.corp.example/', { signal: AbortSignal.timeout(5000) }).then((r) => r.text()).then(console.log, () => console.log('failed'))`,
    );
  const look = (name: string) =>
    inLaptop(
      `const r = new (require('node:dns').promises.Resolver)({ timeout: 8000, tries: 1 }); r.setServers(['127.0.0.153']); r.resolve4('${name}.corp.example').then((a) => console.log(a.join()), (e) => console.log(e.code))`,
    );

  await t.test('a new name opens with its first answer', async () => {
    await until('the page', async () => (await get('wiki')) === 'the wiki').catch((error: Error) => {
      throw new Error(`${error.message}\n${laptop.daemon.output.slice(-3000)}`);
    });
    assert.match(await look('docs'), /^100\.96\.0\.\d+$/);
    assert.equal(await get('docs'), 'the wiki');
    assert.equal(await look('nowhere'), 'ENOTFOUND');
    assert.equal(await look('a.b'), 'ESERVFAIL', 'it has two labels more, and the other resolver is dead');
  });

  await t.test('without the controller known names work, and new ones fail', async () => {
    await controller.daemon.kill('SIGKILL');
    assert.equal(await get('wiki'), 'the wiki');
    assert.match(await look('docs'), /^100\.96\.0\.\d+$/);
    assert.equal(await look('late'), 'ESERVFAIL');
  });
});
