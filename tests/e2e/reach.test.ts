import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until, whyNoNamespaces } from '@sallyport/testkit';
import { Scenario } from '../lab/scenario.ts';

const skip = whyNoNamespaces() ?? false;

test('a device reaches exactly what its policy allows', { skip }, async (t) => {
  const s = await Scenario.create();
  t.after(() => s.cleanup.run());
  const [web, printer, gatewayHost] = await Promise.all([
    s.world.host('web'),
    s.world.host('printer'),
    s.world.host('gateway'),
  ]);
  for (const host of [web, printer]) {
    await host.listenHttp(80, 'private page');
    await host.listenTcp(7000);
    await host.listenUdp(5353);
    await host.listenUdp(5354);
  }
  await gatewayHost.listenTcp(7000);
  const resource = await s.resource('web', ['10.20.0.10', 'fd20::10'], ['TCP 80', 'UDP 5353', 'ICMP']);
  const laptop = await s.controller.addDevice('laptop');
  const visitor = await s.controller.addDevice('visitor');
  await s.policy('laptop to web', { devices: [laptop.id], resources: [resource] });
  // The hostile owner widens the allowed IPs, so the device sends everything into the tunnel.
  const everything = (text: string) =>
    text.replace(/AllowedIPs = .*/, 'AllowedIPs = 10.0.0.0/8, fd20::/16, 100.64.0.0/10, fd00::/8');
  const device = await s.deviceUp('laptop', laptop, everything);

  await t.test('allowed: TCP, UDP and ICMP, on IPv4 and IPv6', async () => {
    await until('the tunnel to come up', async () => (await device.ping('10.20.0.10')) === 'ok');
    for (const host of ['10.20.0.10', '[fd20::10]']) {
      const answer = await device.http(`http://${host}/`);
      assert.ok('body' in answer && answer.body === 'private page', JSON.stringify(answer));
    }
    assert.equal(await device.udp('10.20.0.10', 5353), 'ok');
    assert.equal(await device.udp('fd20::10', 5353), 'ok');
    assert.equal(await device.ping('fd20::10'), 'ok');
  });

  await t.test('denied: other ports of the same host', async () => {
    for (const address of ['10.20.0.10', 'fd20::10']) {
      assert.notEqual(await device.tcp(address, 7000, { timeoutMs: 700 }), 'ok');
      assert.notEqual(await device.udp(address, 5354, { timeoutMs: 500 }), 'ok');
    }
  });

  await t.test('denied: other hosts', async () => {
    for (const address of ['10.20.0.11', 'fd20::11']) {
      assert.notEqual(await device.tcp(address, 80, { timeoutMs: 700 }), 'ok');
      assert.notEqual(await device.ping(address, { timeoutMs: 500 }), 'ok');
    }
  });

  await t.test('denied: the services of the gateway host at every one of its addresses', async () => {
    const inTunnel = await gatewayAddresses(s, (name) => name !== 'lan0');
    const inLan = await gatewayAddresses(s, (name) => name === 'lan0');
    assert.ok(inTunnel.some((address) => address.startsWith('100.')) && inLan.includes('10.20.0.1'));
    for (const address of [...inTunnel, ...inLan]) {
      assert.notEqual(await device.tcp(address, 7000, { timeoutMs: 500 }), 'ok', address);
      // A gateway answers echoes at its tunnel addresses, with which devices measure the path MTU.
      if (inLan.includes(address)) assert.notEqual(await device.ping(address, { timeoutMs: 400 }), 'ok', address);
    }
  });

  await t.test('denied: a device that no policy names, whatever its configuration says', async () => {
    await s.converged();
    const allowedText = await s.controller.deviceConfiguration(laptop);
    const other = await s.deviceUp('visitor', visitor, (own) => {
      const address = /^Address = .*$/m.exec(own)?.[0] ?? '';
      const key = /^PrivateKey = .*$/m.exec(own)?.[0] ?? '';
      return everything(allowedText)
        .replace(/^Address = .*$/m, address)
        .replace(/^PrivateKey = .*$/m, key);
    });
    assert.notEqual(await other.tcp('10.20.0.10', 80, { timeoutMs: 1500 }), 'ok');
    assert.notEqual(await other.ping('fd20::10', { timeoutMs: 500 }), 'ok');
  });

  await t.test('denied: another device', async () => {
    await s.policy('visitor to web', { devices: [visitor.id], resources: [resource] });
    await s.converged();
    const other = await s.world.host('visitor');
    await until('the visitor to be let in', async () => (await other.ping('10.20.0.10', { timeoutMs: 500 })) === 'ok', {
      timeoutMs: 30_000,
    });
    await other.listenTcp(7100);
    for (const address of visitor.addresses) {
      assert.notEqual(await device.tcp(address, 7100, { timeoutMs: 700 }), 'ok');
      assert.notEqual(await device.ping(address, { timeoutMs: 500 }), 'ok');
    }
  });

  await t.test('denied: an overlay source address from the LAN', async () => {
    const [overlay = ''] = laptop.addresses;
    const space = s.world.space('printer');
    await space.ip('addr', 'add', `${overlay}/32`, 'dev', 'lan0');
    await space.ip('route', 'add', '203.0.113.0/24', 'via', '10.20.0.1');
    const before = await spoofed(s);
    assert.notEqual(await printer.tcp('10.20.0.1', 7000, { from: overlay, timeoutMs: 500 }), 'ok');
    assert.notEqual(await printer.udp('203.0.113.10', 9, { from: overlay, timeoutMs: 300 }), 'ok');
    assert.ok((await spoofed(s)) > before, 'the drop is counted');
  });

  await t.test("denied: another device's overlay address as source, from inside the tunnel", async () => {
    const [foreign = ''] = visitor.addresses;
    const name = s.world.interfaceName('laptop');
    await s.world.space('laptop').ip('addr', 'add', `${foreign}/32`, 'dev', name);
    assert.notEqual(await device.tcp('10.20.0.10', 80, { from: foreign, timeoutMs: 700 }), 'ok');
    assert.equal(await device.ping('10.20.0.10'), 'ok', 'its own address still works');
  });
});

/** Excludes addresses of the wide area. They are reached without the tunnel, so policies do not apply. */
async function gatewayAddresses(s: Scenario, of: (link: string) => boolean): Promise<string[]> {
  const links = JSON.parse(await s.world.space('gateway').exec('ip', '-j', 'addr')) as Link[];
  return links
    .filter(({ ifname }) => ifname !== 'wan0' && of(ifname))
    .flatMap((link) => link.addr_info)
    .filter((info) => info.scope === 'global')
    .map((info) => info.local);
}

interface Link {
  readonly ifname: string;
  readonly addr_info: readonly { readonly local: string; readonly scope: string }[];
}

async function spoofed(s: Scenario): Promise<number> {
  const table = await s.world.space('gateway').exec('nft', 'list', 'counters');
  const match = /counter \S*spoof\S* \{\s*packets (\d+)/.exec(table);
  assert.ok(match, table);
  return Number(match[1]);
}
