import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { type Device, type deviceFilters, filterOperators } from '@sallyport/contract';
import { fits } from '../../http/filters.ts';
import { assertRefused, makers } from '../../testing/api.ts';
import { nativeDevice } from '../../testing/enrol.ts';
import { openTestApp, type TestApp } from '../../testing/harness.ts';

const path = '/tenants/devices';

/** Devices of every kind, owner, status and version, and one of another tenant. */
async function world(t: TestContext): Promise<{ app: TestApp; all: readonly Device[] }> {
  const app = await openTestApp(t);
  const make = makers(app);
  const [jane, bob] = [await make.user('Jane@Example.com'), await make.user('bob@example.com')];
  await app.request('PUT', `/tenants/users/${jane.id}`, { body: { firstName: 'Jane', lastName: 'Öztürk' } });
  for (const [i, name] of ['Laptop', 'laptop 2', 'Ärmel', 'x*y', 'x?y', '50%'].entries()) {
    const user = [jane.id, bob.id, undefined][i % 3];
    const { id } = await make.device(name, user === undefined ? {} : { user });
    if (i % 2 === 0) await app.request('PATCH', `${path}/${id}`, { body: { name, appVersion: `1.${i}.0` } });
    if (i % 4 === 3) await app.request('PATCH', `${path}/${id}/deactivate`);
  }
  await nativeDevice(app, 'workstation');
  const foreign = { name: 'laptop of others', publicKey: (await make.device('key only')).publicKey };
  await app.request('POST', path, { body: foreign, key: app.other.key });
  return { app, all: await listed(app, 'limit=100') };
}

async function listed(app: TestApp, query: string): Promise<Device[]> {
  const { status, json, text } = await app.request('GET', `${path}?${query}`);
  assert.equal(status, 200, text);
  return json.data;
}

const names = (devices: readonly Device[]) => devices.map(({ name }) => name);

const shown: Readonly<Record<Exclude<keyof typeof deviceFilters, 'label'>, (device: Device) => string>> = {
  id: ({ id }) => id,
  name: ({ name }) => name,
  status: ({ status }) => status,
  kind: ({ kind = '' }) => kind,
  'user.id': ({ user }) => user?.id ?? '',
  'user.email': ({ user }) => user?.email?.toLowerCase() ?? '',
  'entryGateway.id': ({ entryGateway }) => entryGateway?.id ?? '',
  appVersion: ({ appVersion = '' }) => appVersion,
};

test('every operator on every field finds what a plain list would', async (t) => {
  const { app, all } = await world(t);
  for (const [field, of] of Object.entries(shown))
    for (const operator of filterOperators)
      for (const value of new Set(all.map(of).filter((text) => text !== '' && !text.includes('%')))) {
        const query = `filter[${field}][${operator}]=${encodeURIComponent(value)}`;
        const expected = all.filter((device) => fits(of(device), { operator, values: [value] }));
        assert.deepEqual(names(await listed(app, `limit=100&${query}`)), names(expected), query);
      }
});

test('devices are found by the words that their row shows', async (t) => {
  const { app, all } = await world(t);
  const found = async (q: string) => names(await listed(app, `limit=100&q=${encodeURIComponent(q)}`));
  assert.deepEqual(await found('LAPTOP'), ['Laptop', 'laptop 2']);
  assert.deepEqual(await found('ärm'), ['Ärmel']);
  assert.deepEqual(await found('*'), ['x*y']);
  assert.deepEqual(await found('%'), ['50%']);
  assert.deepEqual(await found('jane laptop'), ['Laptop']);
  assert.deepEqual(await found('öztürk'), ['Laptop', 'x*y']);
  assert.deepEqual(await found('BOB@example'), ['laptop 2', 'x?y']);
  assert.deepEqual(await found('of others'), []);
  assert.deepEqual(await found('  '), names(all));
  const [first] = all;
  assert.ok(first?.overlayAddresses !== undefined);
  for (const address of [first.id, ...first.overlayAddresses]) assert.ok((await found(address)).includes('Laptop'));
  const [, v6 = ''] = first.overlayAddresses;
  assert.deepEqual(await found(v6.toUpperCase()), ['Laptop']);
});

test('devices are sorted by what no column holds, with pages of what the filters leave', async (t) => {
  const { app, all } = await world(t);
  const ofStatus = (wanted: Device['status']) => all.filter(({ status }) => status === wanted);
  const byName = (devices: Device[]) =>
    devices.toSorted((a, b) => Buffer.compare(Buffer.from(b.name), Buffer.from(a.name)));
  const expected = [...byName(ofStatus('Deactivated')), ...byName(ofStatus('Offline')), ...byName(ofStatus('Online'))];
  assert.deepEqual(names(await listed(app, 'limit=100&sort=status,-name')), names(expected));
  assert.deepEqual(names(await listed(app, 'limit=2&offset=1&sort=status,-name')), names(expected.slice(1, 3)));
  const { json } = await app.request('GET', `${path}?filter[status]=Offline&limit=1&offset=1`);
  assert.deepEqual(names(json.data), names(ofStatus('Offline').slice(1, 2)));
  assert.equal(json.total, ofStatus('Offline').length);
  const emails = (await listed(app, 'limit=100&sort=-user.email')).map(({ user }) => user?.email?.toLowerCase() ?? '');
  assert.deepEqual(emails, emails.toSorted().toReversed());
});

test('unknown fields, values and long searches are refused by name', async (t) => {
  const app = await openTestApp(t);
  const refused = (query: string, pointer = query.split('=')[0]) =>
    assertRefused(app, ['GET', `${path}?${query}`], 400, 'invalid_request', [`query/${pointer}`]);
  await refused('filter[publicKey]=x');
  await refused('filter[status]=online');
  await refused('colour=red');
  await refused(`q=${'x'.repeat(201)}`);
  await refused(`q=${Array.from({ length: 11 }, (_, i) => i).join('+')}`);
});

test('users, groups and resources are found by the words that their row shows', async (t) => {
  const app = await openTestApp(t);
  const make = makers(app);
  const { id } = await make.user('Jane@Example.com');
  await app.request('PUT', `/tenants/users/${id}`, { body: { lastName: 'Öztürk' } });
  await make.group('Builders', { description: 'They build' });
  const protocol = await make.protocol('443');
  await make.resource('Wiki', [{ address: '10.9.8.7', protocols: [protocol.id] }]);
  const found = async (list: string, q: string) => {
    const { json, text } = await app.request('GET', `/tenants/${list}?q=${encodeURIComponent(q)}`);
    assert.ok(json.data !== undefined, text);
    return json.data.map((entry: { name?: string; email?: string }) => entry.name ?? entry.email);
  };
  assert.deepEqual(await found('users', 'ÖZTÜRK jane@'), ['Jane@Example.com']);
  assert.deepEqual(await found('users', id), ['Jane@Example.com']);
  assert.deepEqual(await found('users', 'nobody'), []);
  assert.deepEqual(await found('groups', 'build they'), ['Builders']);
  assert.deepEqual(await found('groups', 'build wiki'), []);
  assert.deepEqual(await found('resources', '9.8'), ['Wiki']);
  assert.deepEqual(await found('resources', '::ffff:10.9.8.7'), ['Wiki']);
  assert.deepEqual(await found('resources', 'wiki 10.9.9'), []);
});

test('a summary has what a table shows, counts in place of nested objects, and up to 500 entries', async (t) => {
  const { app, all } = await world(t);
  const make = makers(app);
  const protocol = await make.protocol('443');
  const resource = await make.resource('Wiki', [{ address: '10.9.8.7', protocols: [protocol.id] }]);
  const gateway = await make.gateway('berlin');
  await make.attach(resource.id, [gateway.id]);
  const summaries = async (list: string, query = '') => {
    const answer = await app.request('GET', `/tenants/${list}?limit=1000&fields=summary${query}`);
    assert.equal(answer.status, 200, answer.text);
    return answer;
  };
  const devices = (await summaries('devices')).json;
  assert.deepEqual([devices.limit, devices.total], [500, all.length]);
  for (const [i, whole] of all.entries()) {
    const { hardwareId, publicKey, posture, agent, ...rest } = whole;
    assert.deepEqual(devices.data[i], rest);
  }
  const { json: users } = await app.request('GET', '/tenants/users?limit=100');
  const people = (await summaries('users')).json.data;
  for (const [i, { roles, groups, devices, attributes, ...rest }] of users.data.entries()) {
    const role = roles.length === 0 ? {} : { role: roles[0].type };
    assert.deepEqual(people[i], { ...rest, ...role, groupCount: groups.length, deviceCount: devices.length });
  }
  const { json: groups } = await app.request('GET', '/tenants/groups?limit=100');
  const summarised = (await summaries('groups')).json.data;
  for (const [i, { roles, users, idpMapping, ...rest }] of groups.data.entries()) {
    const roleNames = roles.map(({ name }: { name: string }) => name);
    assert.deepEqual(summarised[i], { ...rest, roleNames, userCount: users.length });
  }
  const [wiki] = (await summaries('resources')).json.data;
  const { addresses, gateways, ...rest } = (await app.request('GET', `/tenants/resources/${resource.id}`)).json;
  assert.deepEqual(wiki, { ...rest, address: '10.9.8.7', addressCount: 1, gatewayCount: 1 });
  const listed = await summaries('gateways', '&q=BERL');
  assert.equal(listed.headers['x-total-count'], '1');
  assert.equal(listed.json[0].resourceCount, 1);
  assert.equal('token' in listed.json[0], false);
  await assertRefused(app, ['GET', `${path}?fields=all`], 400, 'invalid_request', ['query/fields']);
});

test('gateways are searched, filtered, sorted and counted; the list without parameters stays as it was', async (t) => {
  const app = await openTestApp(t);
  const make = makers(app);
  for (const name of ['b', 'a', 'Ä']) await make.gateway(name, { description: `of ${name}` });
  const listed = async (query: string) => {
    const { status, json, text, headers } = await app.request('GET', `/tenants/gateways?${query}`);
    assert.equal(status, 200, text);
    return [json.map(({ name }: { name: string }) => name).join(''), headers['x-total-count']];
  };
  assert.deepEqual(await listed(''), ['baÄ', undefined]);
  assert.deepEqual(await listed('sort=name'), ['abÄ', '3']);
  assert.deepEqual(await listed('sort=-status,-name&limit=1&offset=1'), ['b', '3']);
  assert.deepEqual(await listed(`q=${encodeURIComponent('of ä')}`), ['Ä', '1']);
  assert.deepEqual(await listed('filter[status]=ONLINE'), ['', '0']);
  assert.deepEqual(await listed('filter[status][ne]=ONLINE&filter[name][ilike]=A%25'), ['a', '1']);
  await assertRefused(app, ['GET', '/tenants/gateways?colour=red'], 400, 'invalid_request', ['query/colour']);
});

test('a list shows every change of a device, its owner and its entry gateway at once', async (t) => {
  const app = await openTestApp(t);
  const make = makers(app);
  const [user, gateway] = [await make.user('jane@example.com'), await make.gateway('berlin')];
  await app.request('POST', `/tenants/gateways/${gateway.id}/enable-relay`);
  const { id } = await make.device('laptop', { user: user.id });
  const seen = new Set<string>();
  const agree = async () => {
    const [device] = await listed(app, 'limit=10');
    assert.deepEqual(device, (await app.request('GET', `${path}/${id}`)).json);
    assert.ok(!seen.has(JSON.stringify(device)), 'the change does not show');
    seen.add(JSON.stringify(device));
  };
  await agree();
  for (const body of [
    { name: 'renamed' },
    { name: 'renamed', posture: { os: 'linux' } },
    { name: 'renamed', appVersion: '1.2.3' },
    { name: 'renamed', entryGateway: gateway.id },
  ]) {
    assert.equal((await app.request('PATCH', `${path}/${id}`, { body })).status, 200);
    await agree();
  }
  await app.request('PUT', `/tenants/users/${user.id}`, { body: { firstName: 'Jane' } });
  await agree();
  await app.request('PATCH', `/tenants/gateways/${gateway.id}`, { body: { name: 'paris', wireguardPort: '51820' } });
  await agree();
  await app.parts.directory.deviceMoved(app.tenant.id, new Map([[id, '192.0.2.7']]));
  await agree();
  await app.parts.directory.deviceSeen(app.tenant.id, new Map([[id, 1_700_000_000_000]]));
  await agree();
  await app.request('PATCH', `${path}/${id}/deactivate`);
  await agree();
});
