import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertRefused, makers, revisionOf } from '../../testing/api.ts';
import { openTestApp, type TestApp } from '../../testing/harness.ts';

const path = '/tenants/resources';
const missing = '11111111-2222-4333-8444-555555555555';
const textsOf = (resource: { addresses: { address: string }[] }) => resource.addresses.map(({ address }) => address);

async function start(t: Parameters<typeof openTestApp>[0]) {
  const app = await openTestApp(t);
  const make = makers(app);
  return { app, make, ssh: await make.protocol('22'), web: await make.protocol('80') };
}

const read = async (app: TestApp, id: string) => (await app.request('GET', `${path}/${id}`)).json;

test('a resource is created with canonical addresses and read back the same', async (t) => {
  const { app, make, ssh, web } = await start(t);
  const given = ['192.168.1.100', '10.1.2.3/8', '2001:DB8:0::1', 'fd12::1/64', '0.0.0.0/0', '::/0'];
  const addresses = given.map((address) => ({ address, protocols: [web.id, ssh.id] }));
  const made = await make.resource('Web', addresses, { description: 'Internal' });
  assert.deepEqual(textsOf(made), ['192.168.1.100', '10.0.0.0/8', '2001:db8::1', 'fd12::/64', '0.0.0.0/0', '::/0']);
  assert.deepEqual(made.addresses[0].protocols, [web, ssh]);
  assert.ok(made.addresses.every((a: { isIp: boolean; type: string }) => a.isIp && a.type === 'PRIVATE'));
  const { type, loadBalancingMode, description, gateways } = made;
  assert.deepEqual(
    { type, loadBalancingMode, description, gateways },
    { type: 'PRIVATE', loadBalancingMode: 'MANUAL', description: 'Internal', gateways: [] },
  );
  assert.ok(!('status' in made), 'no status without a gateway');
  assert.deepEqual(await read(app, made.id), made);
});

test('all invalid addresses of a request are refused at once, each with its place', async (t) => {
  const { app, ssh } = await start(t);
  const refused = async (address: string) => {
    const addresses = [
      { address: '10.9.9.9', protocols: [ssh.id] },
      { address, protocols: [ssh.id] },
    ];
    const body = { name: 'x', type: 'PRIVATE', addresses };
    await assertRefused(app, ['POST', path, { body }], 400, 'invalid_request', ['/addresses/1/address']);
  };
  const names = [
    '*.com',
    '*x.example.com',
    'bücher!.example',
    'xn--a.example',
    'a_b.c',
    '-a.example',
    'a..example',
    `${'a'.repeat(64)}.example`,
    'a.example.7',
  ];
  for (const name of names) await refused(name);
  for (const bad of ['999.1.1.1', '10.0.0.1/33', '10.0.0', '1.2.3.4:80', 'http://a.example', '::1::', '10.0.0.01', ' '])
    await refused(bad);
  const reserved = ['100.64.0.7', '100.100.0.0/16', '127.0.0.1', '169.254.1.1', '224.0.0.1', '255.255.255.255'];
  for (const bad of [...reserved, '0.0.0.0', '::', '::1', 'fe80::1', 'ff02::1', '::ffff:10.0.0.1']) await refused(bad);
  const { overlay_v6 } = await app.store.db
    .selectFrom('tenants')
    .select('overlay_v6')
    .where('id', '=', app.tenant.id)
    .executeTakeFirstOrThrow();
  await refused(overlay_v6.replace('/48', '7'));
  await refused('10.9.9.9/32');
  await assertRefused(
    app,
    [
      'POST',
      path,
      {
        body: {
          name: 'x',
          type: 'PRIVATE',
          addresses: [
            { address: 'x/y', protocols: [ssh.id] },
            { address: '127.0.0.1', protocols: [ssh.id, ssh.id] },
          ],
        },
      },
    ],
    400,
    'invalid_request',
    ['/addresses/0/address', '/addresses/1/address', '/addresses/1/protocols/1'],
  );
});

test('names are stored and shown as names', async (t) => {
  const { app, make, web } = await start(t);
  const protocols = [web.id];
  const given = ['Server', 'www.Example.com.', '10.0.0.1', 'Bücher.example', '4you.example'];
  const made = await make.resource(
    'mixed',
    given.map((address) => ({ address, protocols })),
  );
  assert.deepEqual(
    made.addresses.map(({ address, isIp }: { address: string; isIp: boolean }) => [address, isIp]),
    [
      ['server', false],
      ['www.example.com', false],
      ['10.0.0.1', true],
      ['xn--bcher-kva.example', false],
      ['4you.example', false],
    ],
  );
  const [, , , books] = made.addresses;
  assert.equal(books.unicode, 'bücher.example', 'shown both ways');
  const twice = { ...made, addresses: [books, { ...books, address: 'xn--bcher-kva.example' }] };
  assert.equal((await app.request('PUT', `${path}/${made.id}`, { body: twice })).status, 400);
  assert.deepEqual(await read(app, made.id), made);
  const wildcards = await make.resource(
    'wildcards',
    ['*.Example.com', '**.bücher.example.'].map((address) => ({ address, protocols })),
  );
  assert.deepEqual(
    wildcards.addresses.map(({ address, unicode }: { address: string; unicode?: string }) => [address, unicode]),
    [
      ['*.example.com', undefined],
      ['**.xn--bcher-kva.example', '**.bücher.example'],
    ],
  );
  const everybody = { name: 'x', type: 'PRIVATE', addresses: [{ address: '*.co.uk', protocols }] };
  const refused = await app.request('POST', path, { body: everybody });
  assert.match(refused.json.errors[0].message, /covers all of \.co\.uk/);
});

test('an unreachable resource says why', async (t) => {
  const { app, make, web } = await start(t);
  const protocols = [web.id];
  const gateway = await make.gateway('Berlin');
  const named = await make.resource('named', [{ address: 'server.example', protocols }], { type: 'SAAS' });
  assert.equal(named.unreachableReason, 'It has names only, and gateways resolve no names of type SAAS');
  const server = await make.resource('server', [{ address: 'server', protocols }]);
  assert.equal(server.unreachableReason, 'No gateway carries it');
  const numbered = await make.resource('numbered', [{ address: '10.0.0.1', protocols }]);
  assert.equal(numbered.unreachableReason, 'No gateway carries it');
  const attached = await make.attach(numbered.id, [gateway.id]);
  assert.ok(!('unreachableReason' in attached));
  assert.equal((await make.attach(named.id, [gateway.id])).unreachableReason, named.unreachableReason);
  const back = await app.request('PUT', `${path}/${named.id}`, { body: await read(app, named.id) });
  assert.equal(back.status, 200, 'what was read can be written back');
  assert.equal((await app.request('DELETE', `/tenants/addresses/${attached.addresses[0].id}`)).status, 204);
  assert.equal((await read(app, numbered.id)).unreachableReason, 'It has no address');
});

test('a resource of type INTERNET is on no gateway', async (t) => {
  const { app, make, web } = await start(t);
  const gateway = await make.gateway('Berlin');
  const made = await make.resource('news', [{ address: '198.51.100.0/24', protocols: [web.id] }], { type: 'INTERNET' });
  assert.ok(!('unreachableReason' in made));
  const url = `${path}/${made.id}/load-balancing`;
  const body = { loadBalancingMode: 'MANUAL', gateways: [gateway.id] };
  await assertRefused(app, ['PUT', url, { body }], 400, 'invalid_request', ['/gateways']);
  assert.equal((await app.request('PUT', url, { body: { ...body, gateways: [] } })).status, 200);
});

test('unknown protocols, also those of another tenant, are refused', async (t) => {
  const { app, ssh } = await start(t);
  const foreign = await app.request('POST', '/tenants/protocols', {
    body: { networkProtocols: [{ protocol: 'ICMP' }] },
    key: app.other.key,
  });
  for (const id of [missing, foreign.json.id]) {
    const body = { name: 'x', type: 'SAAS', addresses: [{ address: '10.0.0.1', protocols: [ssh.id, id] }] };
    await assertRefused(app, ['POST', path, { body }], 400, 'invalid_reference', ['/addresses/0/protocols/1']);
  }
  const long = { type: 'PRIVATE', name: 'x'.repeat(41), addresses: [] };
  await assertRefused(app, ['POST', path, { body: long }], 400, 'invalid_request', ['/name', '/addresses']);
});

test('ids are the same in any letter case', async (t) => {
  const { make, web } = await start(t);
  const made = await make.resource('a', [{ address: '10.0.0.1', protocols: [web.id.toUpperCase()] }]);
  assert.deepEqual(made.addresses[0].protocols, [web]);
});

test('PUT keeps the ids of addresses that stay, and what was read can be written back', async (t) => {
  const { app, make, ssh, web } = await start(t);
  const made = await make.resource(
    'a',
    ['10.0.0.1', '10.0.0.2', '10.0.0.3'].map((address) => ({ address, protocols: [web.id] })),
    { description: 'd' },
  );
  const idOf = new Map(made.addresses.map((a: { address: string; id: string }) => [a.address, a.id]));
  const before = await revisionOf(app);
  const same = await app.request('PUT', `${path}/${made.id}`, { body: made });
  assert.equal(same.status, 200, same.text);
  assert.deepEqual(same.json, made);
  assert.equal(same.headers.etag, '"1"');
  assert.equal(await revisionOf(app), before, 'nothing asked for, nothing changed');

  app.clock.now += 1000;
  const addresses = [
    { address: '10.0.0.3', protocols: [web.id, ssh.id] },
    { address: '10.0.0.9', protocols: [ssh.id] },
    { address: '10.0.0.1', protocols: [web.id] },
  ];
  const changed = await app.request('PUT', `${path}/${made.id}`, { body: { name: 'b', addresses } });
  assert.equal(changed.status, 200, changed.text);
  assert.equal(changed.headers.etag, '"2"');
  assert.deepEqual(textsOf(changed.json), ['10.0.0.3', '10.0.0.9', '10.0.0.1']);
  const [third, ninth, first] = changed.json.addresses;
  assert.deepEqual([third.id, first.id], [idOf.get('10.0.0.3'), idOf.get('10.0.0.1')]);
  assert.ok(![...idOf.values()].includes(ninth.id));
  assert.deepEqual(third.protocols, [web, ssh]);
  assert.deepEqual([changed.json.name, changed.json.description], ['b', 'd'], 'an absent description stays');
  assert.notEqual(changed.json.updatedAt, made.updatedAt);
  assert.deepEqual(await read(app, made.id), changed.json);

  const cleared = await app.request('PUT', `${path}/${made.id}`, { body: { name: 'b', addresses, description: null } });
  assert.ok(!('description' in cleared.json));
});

test('PUT refuses another type, a stale version and bad addresses', async (t) => {
  const { app, make, web } = await start(t);
  const addresses = [{ address: '10.0.0.1', protocols: [web.id] }];
  const { id } = await make.resource('a', addresses);
  const body = { name: 'b', addresses };
  const put = (more: object, headers = {}) =>
    ['PUT', `${path}/${id}`, { body: { ...body, ...more }, headers }] as Parameters<TestApp['request']>;
  await assertRefused(app, put({ type: 'SAAS' }), 400, 'invalid_request', ['/type']);
  await assertRefused(app, put({ addresses: [...addresses, ...addresses] }), 400, 'invalid_request', [
    '/addresses/1/address',
  ]);
  await assertRefused(app, put({}, { 'if-match': '"7"' }), 412, 'precondition_failed');
  await assertRefused(app, ['PUT', `${path}/${missing}`, { body }], 404, 'not_found');
  await assertRefused(app, ['PUT', `${path}/${id}`, { body, key: app.other.key }], 404, 'not_found');
  assert.equal((await app.request(...put({}, { 'if-match': '"1"' }))).status, 200);
});

test('a thousand addresses with many protocols are written and read', async (t) => {
  const { app, make, web } = await start(t);
  const ports = await Promise.all(Array.from({ length: 9 }, (_, i) => make.protocol(String(1000 + i))));
  const protocols = [web.id, ...ports.map(({ id }) => id)];
  const addresses = Array.from({ length: 1000 }, (_, i) => ({ address: `10.0.${i >> 8}.${i & 255}`, protocols }));
  const made = await make.resource('big', addresses);
  assert.equal(made.addresses.length, 1000);
  assert.equal(made.addresses[999].protocols.length, 10);
  const half = await app.request('PUT', `${path}/${made.id}`, {
    body: { name: 'big', addresses: addresses.filter((_, i) => i % 2 === 1) },
  });
  assert.deepEqual(
    half.json.addresses,
    made.addresses.filter((_: unknown, i: number) => i % 2 === 1),
  );
});

test('deleting a resource cuts its gateways and policies, and a dry run says so first', async (t) => {
  const { app, make, web } = await start(t);
  const addresses = [{ address: '10.0.0.1', protocols: [web.id] }];
  const [gone, stays] = [await make.resource('gone', addresses), await make.resource('stays', addresses)];
  const gateway = await make.gateway('Berlin');
  await make.attach(gone.id, [gateway.id]);
  const only = await make.policy('only', { resources: [gone.id] });
  const both = await make.policy('both', { resources: [gone.id, stays.id], allDevices: true });
  const before = await revisionOf(app);
  const plan = await app.request('DELETE', `${path}/${gone.id}?dry-run=true`);
  assert.deepEqual(plan.json.changes, [
    { action: 'delete', kind: 'resource', id: gone.id, name: 'gone' },
    { action: 'detach', kind: 'gateway', id: gateway.id, name: 'Berlin' },
    { action: 'update', kind: 'policy', id: only.id, name: 'only' },
    { action: 'update', kind: 'policy', id: both.id, name: 'both' },
  ]);
  assert.equal(await revisionOf(app), before);
  assert.equal((await app.request('DELETE', `${path}/${gone.id}`)).status, 204);
  const policy = async (id: string) => (await app.request('GET', `/tenants/policies/${id}`)).json;
  assert.deepEqual([(await policy(only.id)).resources, (await policy(only.id)).allResources], [[], false]);
  assert.deepEqual(
    (await policy(both.id)).resources.map(({ id }: { id: string }) => id),
    [stays.id],
  );
  assert.deepEqual((await app.request('GET', `/tenants/gateways/${gateway.id}`)).json.resources, []);
  assert.deepEqual(textsOf({ addresses: (await app.request('GET', '/tenants/addresses')).json }), ['10.0.0.1']);
  await assertRefused(app, ['DELETE', `${path}/${gone.id}`], 404, 'not_found');
  await assertRefused(app, ['DELETE', `${path}/${stays.id}`, { key: app.other.key }], 404, 'not_found');
});
