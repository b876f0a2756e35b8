import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { type DeviceConfiguration, type Gateway, privateKeyPlaceholder } from '@sallyport/contract';
import type { World } from '@sallyport/policy';
import { parseConfiguration } from '@sallyport/wireguard';
import type { RowUpdate } from '../../db/schema.ts';
import { makers, publicKeyOf } from '../../testing/api.ts';
import { openTestApp } from '../../testing/harness.ts';
import { deviceConfiguration } from './configuration.ts';
import type { DeviceRow } from './store.ts';

/** A device with a policy for a resource on a gateway that has not enrolled. */
async function start(t: TestContext) {
  const app = await openTestApp(t, { egress: { allow: [], deny: [], details: true } });
  const make = makers(app);
  const web = await make.protocol('80');
  const device = await make.device('laptop');
  const gateway = await make.gateway('Berlin', { endpoint: 'vpn.example.com' });
  const resource = await make.resource('server', [
    { address: '10.0.0.0/24', protocols: [web.id] },
    { address: 'fd12::1', protocols: [web.id] },
  ]);
  await make.attach(resource.id, [gateway.id]);
  await make.policy('p', { devices: [device.id], resources: [resource.id] });
  const configuration = async (query = '') => {
    const answer = await app.request('GET', `/tenants/devices/${device.id}/configuration${query}`);
    assert.equal(answer.status, 200, answer.text);
    return answer.json as DeviceConfiguration;
  };
  const set = (id: string, values: RowUpdate<'gateways'>) =>
    app.store.db.updateTable('gateways').set(values).where('id', '=', id).execute();
  return { app, make, device, gateway, resource, configuration, set };
}

test('the configuration has a peer for each gateway that carries something for the device', async (t) => {
  const { app, device, gateway, configuration, set } = await start(t);
  await set(gateway.id, { wireguard_key: publicKeyOf('Berlin') });
  const { overlay_v4, overlay_v6 } = await app.store.db
    .selectFrom('gateways')
    .selectAll()
    .where('id', '=', gateway.id)
    .executeTakeFirstOrThrow();
  const { revision, text } = await configuration();
  assert.deepEqual(parseConfiguration(text, privateKeyPlaceholder), {
    privateKey: { placeholder: privateKeyPlaceholder },
    addresses: [`${device.overlayAddresses[0]}/32`, `${device.overlayAddresses[1]}/128`],
    mtu: 1280,
    peers: [
      {
        publicKey: publicKeyOf('Berlin'),
        endpoint: 'vpn.example.com:51820',
        allowedIps: [`${overlay_v4}/32`, `${overlay_v6}/128`, '10.0.0.0/24', 'fd12::1/128'],
        persistentKeepalive: 25,
      },
    ],
  });
  assert.doesNotMatch(text, /#/);
  const again = await configuration();
  assert.deepEqual([again.revision, again.text], [revision, text], 'the same world gives the same text');
});

test('the endpoint is the one given, with its port or that of the gateway, else the discovered one', async (t) => {
  const { gateway, configuration, set } = await start(t);
  await set(gateway.id, { wireguard_key: publicKeyOf('Berlin') });
  const endpoint = async (values: RowUpdate<'gateways'>) => {
    await set(gateway.id, values);
    return parseConfiguration((await configuration()).text, privateKeyPlaceholder).peers[0]?.endpoint;
  };
  assert.equal(await endpoint({ endpoint: '192.0.2.1:4000' }), '192.0.2.1:4000');
  assert.equal(await endpoint({ endpoint: '2001:db8::1' }), '[2001:db8::1]:51820');
  assert.equal(await endpoint({ endpoint: '[2001:db8::1]:4000' }), '[2001:db8::1]:4000');
  const discovered = { discovered_endpoint: '198.51.100.7:51820' };
  assert.equal(await endpoint({ endpoint: 'vpn.example.com:1', ...discovered }), 'vpn.example.com:1');
  assert.equal(await endpoint({ endpoint: null }), '198.51.100.7:51820');
});

test('a gateway that cannot be a peer yet is left out, and a comment says why', async (t) => {
  const { gateway, configuration, set, app, device } = await start(t);
  const first = await configuration();
  assert.match(first.text, /^# Left out: gateway "Berlin", it has not been deployed yet\.$/m);
  assert.match(first.text, /^# Nothing can be reached yet: /m);
  assert.deepEqual(parseConfiguration(first.text, privateKeyPlaceholder).peers, []);
  await set(gateway.id, { wireguard_key: publicKeyOf('Berlin'), endpoint: null });
  const second = await configuration();
  assert.match(second.text, /^# Left out: gateway "Berlin", it has no endpoint/m);
  assert.notEqual(second.revision, first.revision);
  await set(gateway.id, { endpoint: 'a_b.example.com' });
  assert.match((await configuration()).text, /WireGuard cannot use its endpoint a_b\.example\.com\.$/m);
  assert.equal((await app.request('PATCH', `/tenants/devices/${device.id}/deactivate`)).status, 200);
  const cut = (await configuration()).text;
  assert.match(cut, /^# This device is deactivated\.$/m);
  assert.doesNotMatch(cut, /\[Peer\]/);
});

test('a gateway that carries nothing for the device is not in its configuration', async (t) => {
  const { app, make, gateway, resource, configuration, set } = await start(t);
  await set(gateway.id, { wireguard_key: publicKeyOf('Berlin') });
  const idle = await make.gateway('idle', { endpoint: '192.0.2.9' });
  await set(idle.id, { wireguard_key: publicKeyOf('idle') });
  assert.doesNotMatch((await configuration()).text, /192\.0\.2\.9/);
  assert.equal((await app.request('DELETE', `/tenants/resources/${resource.id}`)).status, 204);
  const { text } = await configuration();
  assert.match(text, /^# Nothing can be reached yet/);
  assert.doesNotMatch(text, /\[Peer\]/);
});

test('a gateway of the office hours is in the configuration at night too', async (t) => {
  const { app, make, device, gateway, resource, configuration, set } = await start(t);
  await set(gateway.id, { wireguard_key: publicKeyOf('Berlin') });
  const open = await configuration();
  const rule = await make.rule('Office', "time.between('08:00', '18:00') && source.inCidr('198.51.100.0/24')");
  const [policy] = (await app.request('GET', '/tenants/policies')).json.filter(
    ({ name }: { name: string }) => name === 'p',
  );
  const body = { name: 'p', action: true, rule: rule.id };
  assert.equal((await app.request('PATCH', `/tenants/policies/${policy.id}`, { body })).status, 200);
  app.clock.now = Date.UTC(2026, 0, 15, 23);
  assert.deepEqual(await configuration(), open);
  const deny = { action: false, devices: [device.id], resources: [resource.id] };
  const { id } = await make.policy('deny', deny);
  const policies = [id, policy.id];
  const order = await app.request('PATCH', '/tenants/policies/reorder', { body: { type: 'PRIVATE', policies } });
  assert.equal(order.status, 200);
  assert.match((await configuration()).text, /^# Nothing can be reached yet/);
});

test('the configuration routes everything through gateways when an internet policy does', async (t) => {
  const { make, app, gateway, configuration, set } = await start(t);
  await set(gateway.id, { wireguard_key: publicKeyOf('Berlin') });
  const second = await make.gateway('Hamburg', { endpoint: 'hamburg.example.com' });
  await set(second.id, { wireguard_key: publicKeyOf('Hamburg') });
  const allowed = async () => {
    const { peers } = parseConfiguration((await configuration()).text, privateKeyPlaceholder);
    const whole = (prefixes: readonly string[]) => ['0.0.0.0/0', '::/0'].every((all) => prefixes.includes(all));
    return Object.fromEntries(peers.map(({ endpoint, allowedIps }) => [endpoint, whole(allowedIps)]));
  };
  const [berlin, hamburg] = ['vpn.example.com:51820', 'hamburg.example.com:51820'];
  assert.deepEqual(await allowed(), { [berlin]: false });
  const out = await make.policy('out', {
    type: 'INTERNET',
    mode: 'INTERNET_ACCESS_POINT',
    allDevices: true,
    gateways: [second.id],
  });
  assert.deepEqual(await allowed(), { [berlin]: false, [hamburg]: true });
  const patch = (body: object) =>
    app.request('PATCH', `/tenants/policies/${out.id}`, {
      body: { name: 'out', action: true, rule: out.rule.id, allDevices: true, ...body },
    });
  assert.equal((await patch({ mode: 'RESTRICTED' })).status, 200);
  assert.deepEqual(await allowed(), { [berlin]: true }, 'what goes nowhere goes through a gateway that it has');
  assert.equal((await patch({ mode: 'LOCAL' })).status, 200);
  assert.deepEqual(await allowed(), { [berlin]: false });
});

test('endpoints are taken out of the prefixes that cover them, and a note says so', async (t) => {
  const { make, gateway, resource, configuration, set } = await start(t);
  const values = { wireguard_key: publicKeyOf('Berlin'), endpoint: '198.51.100.7', discovered_endpoint: '10.0.0.1:9' };
  await set(gateway.id, values);
  const web = await make.protocol('443');
  const around = await make.resource('around', [
    { address: '198.51.100.4/30', protocols: [web.id] },
    { address: 'fd12::/126', protocols: [web.id] },
  ]);
  await make.attach(around.id, [gateway.id]);
  await make.policy('q', { allDevices: true, resources: [around.id] });
  const six = await make.gateway('Six', { endpoint: 'fd12::1' });
  await set(six.id, { wireguard_key: publicKeyOf('Six') });
  await make.attach(resource.id, [gateway.id, six.id]);
  const one = await make.resource('one', [{ address: '192.0.2.9', protocols: [web.id] }]);
  await make.attach(one.id, [six.id]);
  await make.policy('r', { allDevices: true, resources: [one.id] });

  const { text, notes = [] } = await configuration();
  const prefixes = parseConfiguration(text, privateKeyPlaceholder).peers.flatMap(({ allowedIps }) => allowedIps);
  for (const kept of [
    '198.51.100.4/31',
    '198.51.100.6/32',
    '10.0.0.0/32',
    '10.0.0.128/25',
    'fd12::/128',
    'fd12::2/127',
  ])
    assert.ok(prefixes.includes(kept), `${kept} in ${prefixes}`);
  for (const cut of ['198.51.100.4/30', '198.51.100.7/32', '10.0.0.0/24', '10.0.0.1/32', 'fd12::1/128'])
    assert.ok(!prefixes.includes(cut), `${cut} in ${prefixes}`);
  assert.equal(notes.length, 3, notes.join('\n'));
  for (const [address, name] of [
    ['198.51.100.7', 'Berlin'],
    ['10.0.0.1', 'Berlin'],
    ['fd12::1', 'Six'],
  ]) {
    const said = notes.find((note) =>
      note.startsWith(`Outside of the tunnel: ${address}, the endpoint of gateway "${name}"`),
    );
    assert.ok(said !== undefined, notes.join('\n'));
    assert.ok(text.includes(`# ${said}\n`), 'the text says it too');
  }
  await set(gateway.id, { endpoint: '203.0.113.1', discovered_endpoint: null });
  await set(six.id, { endpoint: '203.0.113.2' });
  assert.equal((await configuration()).notes, undefined);
});

test('default routes stay whole around an endpoint', async (t) => {
  const { make, gateway, configuration, set } = await start(t);
  await set(gateway.id, { wireguard_key: publicKeyOf('Berlin'), endpoint: '198.51.100.7' });
  const out: Parameters<typeof make.policy>[1] = {
    type: 'INTERNET',
    mode: 'INTERNET_ACCESS_POINT',
    allDevices: true,
    gateways: [gateway.id],
  };
  await make.policy('out', out);
  const { text, notes } = await configuration();
  assert.match(text, /AllowedIPs = .*0\.0\.0\.0\/0, ::\/0/);
  assert.equal(notes, undefined);
});

test('addresses of names are taken out where they are known, and a note names the others', async () => {
  const gateway = (name: string, endpoint: string) =>
    ({ name, endpoint, wireguardPort: '51820', publicKey: publicKeyOf(name) }) as Gateway;
  const parts = {
    device: { overlay_v4: '100.64.0.9', overlay_v6: 'fd50::9', active: 1 } as DeviceRow,
    world: {
      settings: { mtu: 1280, overlay: { v4: '100.64.0.0/11', v6: 'fd50::/48' } },
      resources: new Map(),
      gateways: new Map([['a', { addresses: ['100.64.0.1/32'] }]]),
    } as unknown as World,
    gateways: new Map([
      ['a', gateway('A', 'a.example.com')],
      ['b', gateway('B', 'b.example.com:99')],
    ]),
    ipv6: true,
    dns: true,
  };
  const lookup = async (name: string) => (name === 'a.example.com' ? ['203.0.113.0', '203.0.113.2'] : null);
  const reach = new Map([
    ['a', ['10.0.0.0/24']],
    ['b', ['203.0.113.0/30']],
  ]);
  const { text, notes = [] } = await deviceConfiguration({ ...parts, reach }, lookup);
  assert.match(text, /AllowedIPs = 203\.0\.113\.1\/32, 203\.0\.113\.3\/32$/m);
  assert.match(text, /AllowedIPs = 100\.64\.0\.1\/32, 10\.0\.0\.0\/24$/m);
  assert.match(notes[2] ?? '', /^The controller does not know the address of b\.example\.com, .*gateway "B"/);
  assert.doesNotMatch(text, /does not know/, 'a resolver that is away does not change the text');
  const none = async () => assert.fail('no name matters where only a default route could cover it');
  const whole = await deviceConfiguration({ ...parts, reach: new Map([['a', ['0.0.0.0/0']]]) }, none);
  assert.match(whole.text, /AllowedIPs = 100\.64\.0\.1\/32, 0\.0\.0\.0\/0$/m);
});

test('without IPv6 there are no IPv6 addresses, and what is out of reach is named', async (t) => {
  const { app, device, gateway, configuration, set } = await start(t);
  await set(gateway.id, { wireguard_key: publicKeyOf('Berlin'), endpoint: '203.0.113.1' });
  const full = await configuration('?ipv6=true');
  assert.deepEqual(await configuration(), full);
  const { text, revision } = await configuration('?ipv6=false');
  assert.notEqual(revision, full.revision);
  const { addresses, peers } = parseConfiguration(text, privateKeyPlaceholder);
  assert.deepEqual(addresses, [`${device.overlayAddresses[0]}/32`]);
  assert.deepEqual(
    peers[0]?.allowedIps.filter((prefix) => prefix.includes(':')),
    [],
  );
  assert.match(text, /^# Left out, because it is without IPv6: fd12::1\/128\.$/m);
  await set(gateway.id, { endpoint: '2001:db8::1' });
  assert.match(
    (await configuration('?ipv6=false')).text,
    /^# Left out: gateway "Berlin", its endpoint .* needs IPv6\.$/m,
  );
  const wrong = await app.request('GET', `/tenants/devices/${device.id}/configuration?ipv6=no`);
  assert.equal(wrong.status, 400);
});

test('the configuration carries the smallest MTU of its gateways, and below 1280 no IPv6', async (t) => {
  const { app, device, gateway, configuration, set } = await start(t);
  await set(gateway.id, { wireguard_key: publicKeyOf('Berlin') });
  const patch = async (path: string, body: object) =>
    assert.equal((await app.request('PATCH', path, { body })).status, 200);
  const path = `/tenants/gateways/${gateway.id}`;
  const parsed = async () => parseConfiguration((await configuration()).text, privateKeyPlaceholder);
  await patch('/tenants/settings', { name: 'First', mtu: 1420 });
  assert.equal((await parsed()).mtu, 1420);
  await patch(path, { name: 'Berlin', wireguardPort: '51820', mtu: 1200 });
  const { mtu, addresses, peers } = await parsed();
  assert.deepEqual([mtu, addresses], [1200, [`${device.overlayAddresses[0]}/32`]]);
  assert.deepEqual(
    peers[0]?.allowedIps.filter((prefix) => prefix.includes(':')),
    [],
  );
  assert.match((await configuration()).text, /# The tunnel carries no IPv6, which needs an MTU of 1280\./);
  await patch(path, { name: 'Berlin', wireguardPort: '51820', mtu: null });
  assert.equal((await parsed()).mtu, 1420);
});
