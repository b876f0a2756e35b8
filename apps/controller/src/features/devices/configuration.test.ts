import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { privateKeyPlaceholder } from '@sallyport/contract';
import { parseConfiguration } from '@sallyport/wireguard';
import type { RowUpdate } from '../../db/schema.ts';
import { makers, publicKeyOf } from '../../testing/api.ts';
import { openTestApp } from '../../testing/harness.ts';

/** A device with a policy for a resource on a gateway that has not enrolled. */
async function start(t: TestContext) {
  const app = await openTestApp(t);
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
  const configuration = async () => {
    const answer = await app.request('GET', `/tenants/devices/${device.id}/configuration`);
    assert.equal(answer.status, 200, answer.text);
    return answer.json as { revision: string; text: string };
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
  assert.deepEqual(await configuration(), { revision, text }, 'the same world gives the same text');
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

test('what cannot be a peer yet is left out, and a comment says why', async (t) => {
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

test('where an internet policy sends everything through gateways, so does the configuration', async (t) => {
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
