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

const shown: Readonly<Record<keyof typeof deviceFilters, (device: Device) => string>> = {
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
