import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until, whyNoNamespaces } from '@sallyport/testkit';
import { makeResource } from '../../lab/administration.ts';
import { configure, hasDnsmasq, startDnsmasq } from '../../lab/names.ts';
import { PathsScenario } from '../../lab/paths-scenario.ts';

const skip = whyNoNamespaces() ?? (hasDnsmasq ? false : 'needs dnsmasq');
const name = 'wiki.corp.example';

test('one name means a server of its own in each of two networks', { skip }, async (t) => {
  const s = await PathsScenario.create({
    nats: { home: {} },
    hosts: { laptop: 'home', east: 'internet', west: 'internet' },
    lans: { berlin: ['east'], paris: ['west'] },
    gateways: { east: { endpoint: true }, west: { endpoint: true } },
  });
  t.after(() => s.cleanup.run());
  for (const [network, gateway] of [['berlin', 'east'] as const, ['paris', 'west'] as const]) {
    const server = s.lab.address(`${network}-web`);
    await s.server(network);
    await startDnsmasq(s.lab, `${network}-web`, server, [`${name},${server}`]);
    const body = { name: gateway, wireguardPort: '51820', dnsServers: [{ address: server }], network };
    await s.controller.call('updateGateway', { params: { id: s.gateway(gateway).id }, body });
  }
  await configure(s.lab, 'laptop', { 'resolv.conf': 'nameserver 127.0.0.9\noptions timeout:1 attempts:1\n' });
  const gateways = [s.gateway('east').id, s.gateway('west').id];
  const wish = { name: 'wiki', addresses: [name], ports: ['TCP 80'], gateways };
  await s.policy('wiki', { allDevices: true, resources: [await makeResource(s.controller, wish)] });
  const laptop = await s.clientUp('laptop');
  const run = async (script: string) => (await laptop.host.namespace.exec(process.execPath, '-e', script)).trim();
  /** Returns what a new program of the device gets: the address of the gateway in its network. */
  const body = (host: string): Promise<string> =>
    run(
      `fetch('http://${host}/', { signal: AbortSignal.timeout(3000) }).then((r) => r.text()).then(console.log, () => console.log('failed'))`,
    );
  const address = (): Promise<string> =>
    run(`require('node:dns').lookup('${name}', { family: 4 }, (error, address) => console.log(address))`);
  const via = { east: s.lab.lanAddress('east'), west: s.lab.lanAddress('west') };

  await until('the server in Berlin', async () => (await body(name)) === via.east);
  const berlin = await address();
  assert.match(berlin, /^100\./);
  let paris = '';

  await t.test('the other network answers with another address while the gateway is away', async () => {
    await s.lab.cut('east');
    await until('the server in Paris', async () => (await body(name)) === via.west, { timeoutMs: 60_000 });
    paris = await address();
    assert.match(paris, /^100\./);
    assert.notEqual(paris, berlin);
    await s.lab.restore('east');
    await until('the server in Berlin', async () => (await body(name)) === via.east, { timeoutMs: 60_000 });
    assert.equal(await address(), berlin);
    assert.equal(await body(paris), via.west, 'the address of the other network stays there');
  });

  await t.test('a gateway that moves to another network takes its names along at once', async () => {
    await s.controller.call('updateGateway', {
      params: { id: s.gateway('east').id },
      body: { name: 'east', wireguardPort: '51820', network: 'hamburg' },
    });
    await until('an address in Hamburg', async () => ![berlin, paris, 'undefined'].includes(await address()));
    assert.equal(await body(name), via.east, 'the server behind the same gateway');
    await until('nothing at the former address', async () => (await body(berlin)) === 'failed');
  });
});
