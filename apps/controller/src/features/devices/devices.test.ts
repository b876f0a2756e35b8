import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertRefused, makers, publicKeyOf, revisionOf } from '../../testing/api.ts';
import { openTestApp } from '../../testing/harness.ts';

const path = '/tenants/devices';
const missing = '11111111-2222-4333-8444-555555555555';

test('a device is created with overlay addresses and an id made from its key, and read back the same', async (t) => {
  const app = await openTestApp(t);
  const made = await makers(app).device('laptop');
  const { id, hardwareId, createdAt, updatedAt, overlayAddresses, ...rest } = made;
  const plain = { active: true, status: 'Offline', kind: 'PLAIN' };
  assert.deepEqual(rest, { name: 'laptop', publicKey: publicKeyOf('laptop'), ...plain });
  assert.match(hardwareId, /^wg-[0-9a-f]{16}$/);
  assert.match(overlayAddresses[0], /^100\.64\.0\.\d+$/);
  assert.match(overlayAddresses[1], /^fd[0-9a-f:]+$/);
  assert.deepEqual((await app.request('GET', `${path}/${id}`)).json, made);
  const body = { name: 'phone', publicKey: publicKeyOf('phone'), hardwareId: 'MAC-1', user: null };
  assert.equal((await app.request('POST', path, { body })).json.hardwareId, 'MAC-1');
});

test('a key is taken once in a tenant, by devices and gateways alike', async (t) => {
  const app = await openTestApp(t);
  const make = makers(app);
  await make.device('laptop');
  const { id } = await make.gateway('Berlin');
  await app.store.db
    .updateTable('gateways')
    .set({ wireguard_key: publicKeyOf('Berlin') })
    .where('id', '=', id)
    .execute();
  for (const owner of ['laptop', 'Berlin']) {
    const body = { name: 'x', publicKey: publicKeyOf(owner) };
    await assertRefused(app, ['POST', path, { body }], 409, 'public_key_taken', ['/publicKey']);
    assert.equal((await app.request('POST', path, { body, key: app.other.key })).status, 201);
  }
});

test('an invalid device is refused with the field', async (t) => {
  const app = await openTestApp(t);
  const good = { name: 'x', publicKey: publicKeyOf('x') };
  const refused = (more: object, code: 'invalid_request' | 'invalid_reference', pointer: string) =>
    assertRefused(app, ['POST', path, { body: { ...good, ...more } }], 400, code, [pointer]);
  await refused({ user: missing }, 'invalid_reference', '/user');
  await refused({ user: 'anna' }, 'invalid_request', '/user');
  await refused({ publicKey: 'x' }, 'invalid_request', '/publicKey');
  await refused({ name: '' }, 'invalid_request', '/name');
  await refused({ hardwareId: '' }, 'invalid_request', '/hardwareId');
  await refused({ active: true }, 'invalid_request', '/active');
});

test('a device belongs to a user, whose invitation it takes up, and shows its owner', async (t) => {
  const app = await openTestApp(t);
  const make = makers(app);
  const anna = await make.user('anna@example.com');
  assert.equal(anna.status, 'INVITED');
  const laptop = await make.device('laptop', { user: anna.id.toUpperCase() });
  const lastConnection = new Date(app.clock.now).toISOString();
  assert.deepEqual(laptop.user, { id: anna.id, email: 'anna@example.com', lastConnection });
  const user = (await app.request('GET', `/tenants/users/${anna.id}`)).json;
  assert.deepEqual([user.status, user.devices], ['ACTIVE', [laptop]]);
  assert.deepEqual((await app.request('GET', path)).json.data, [laptop]);

  const late = await make.user('late@example.com');
  app.clock.now += 8 * 24 * 3600 * 1000;
  const body = { name: 'x', publicKey: publicKeyOf('x'), user: late.id };
  await assertRefused(app, ['POST', path, { body }], 409, 'not_invited');
});

test('a user cannot have more devices than allowed', async (t) => {
  const app = await openTestApp(t);
  const make = makers(app);
  const [anna, bert] = [await make.user('anna@example.com'), await make.user('bert@example.com')];
  for (let n = 1; n <= 5; n++) await make.device(`laptop ${n}`, { user: anna.id });
  const sixth = { name: 'x', publicKey: publicKeyOf('x'), user: anna.id };
  await assertRefused(app, ['POST', path, { body: sixth }], 409, 'device_limit', ['/user']);
  assert.match((await app.request('POST', path, { body: sixth })).json.detail, /has 5 of at most 5 devices/);

  const other = await make.device('other', { user: bert.id });
  const patch = (body: object) => ['PATCH', `${path}/${other.id}`, { body: { name: 'other', ...body } }] as const;
  await assertRefused(app, [...patch({ user: anna.id })], 409, 'device_limit', ['/user']);
  assert.equal((await app.request('PUT', `/tenants/users/${anna.id}`, { body: { maxDevices: 6 } })).status, 200);
  assert.equal((await app.request(...patch({ user: anna.id }))).status, 200);
  assert.equal((await app.request(...patch({ user: anna.id }))).status, 200, 'who is the owner stays it');
  await assertRefused(app, ['POST', path, { body: sixth }], 409, 'device_limit', ['/user']);
  assert.equal((await app.request('PUT', `/tenants/users/${bert.id}`, { body: { maxDevices: 0 } })).status, 200);
  await assertRefused(app, [...patch({ user: bert.id })], 409, 'device_limit', ['/user']);
});

test('PATCH: name, owner, posture and version; an absent field stays, null clears it', async (t) => {
  const app = await openTestApp(t);
  const make = makers(app);
  const anna = await make.user('anna@example.com');
  const made = await make.device('laptop');
  const url = `${path}/${made.id}`;
  const patch = async (body: object) => {
    const answer = await app.request('PATCH', url, { body });
    assert.equal(answer.status, 200, answer.text);
    return answer.json;
  };
  app.clock.now += 1000;
  const posture = { diskEncrypted: true, os: 'linux', patchLevel: 7 };
  const changed = await patch({ name: 'work', user: anna.id, posture, appVersion: '1.2.3' });
  assert.deepEqual(
    [changed.name, changed.user.id, changed.posture, changed.appVersion],
    ['work', anna.id, posture, '1.2.3'],
  );
  assert.deepEqual([changed.publicKey, changed.overlayAddresses], [made.publicKey, made.overlayAddresses]);
  assert.notEqual(changed.updatedAt, made.updatedAt);
  const before = await revisionOf(app);
  assert.deepEqual(await patch(changed), changed, 'what was read can be written back');
  assert.deepEqual(await patch({ name: 'work' }), changed);
  assert.equal(await revisionOf(app), before);
  const cleared = await patch({ name: 'work', user: null, posture: null, appVersion: null });
  assert.deepEqual(['user' in cleared, 'posture' in cleared, 'appVersion' in cleared], [false, false, false]);

  const refused = (body: object, pointer: string, code: 'invalid_request' | 'invalid_reference' = 'invalid_request') =>
    assertRefused(app, ['PATCH', url, { body: { name: 'x', ...body } }], 400, code, [pointer]);
  await refused({ user: missing }, '/user', 'invalid_reference');
  await refused({ posture: { 'disk encrypted': true } }, '/posture/disk encrypted');
  await refused({ colour: 'red' }, '/colour');
  const stale = { body: { name: 'x' }, headers: { 'if-match': '"1"' } };
  await assertRefused(app, ['PATCH', url, stale], 412, 'precondition_failed');
  await assertRefused(app, ['PATCH', url, { body: { name: 'x' }, key: app.other.key }], 404, 'not_found');
});

test('a device shows where its tunnel comes from, and the country of that', async (t) => {
  const countries = { known: true, of: (ip: string) => (ip.startsWith('198.51.100.') ? 'CH' : null) };
  const app = await openTestApp(t, { countries });
  const { id } = await makers(app).device('laptop');
  const read = async () => {
    const { sourceIp, country } = (await app.request('GET', `${path}/${id}`)).json;
    return [sourceIp, country];
  };
  assert.deepEqual(await read(), [undefined, undefined]);
  await app.parts.directory.deviceMoved(app.tenant.id, new Map([[id, '198.51.100.7']]));
  assert.deepEqual(await read(), ['198.51.100.7', 'CH']);
  app.parts.deviceMoved(app.tenant.id, id, '203.0.113.9');
  assert.deepEqual(await read(), ['203.0.113.9', undefined], 'at once, before it is written');
  const before = await revisionOf(app);
  await app.parts.directory.deviceMoved(app.other.id, new Map([[id, '192.0.2.1']]));
  const row = await app.store.db.selectFrom('devices').select('source_ip').where('id', '=', id).executeTakeFirst();
  assert.deepEqual([row?.source_ip, await revisionOf(app)], ['198.51.100.7', before], 'another tenant moves nothing');
});

test('a device is Online for three minutes after a handshake', async (t) => {
  const app = await openTestApp(t);
  const { id } = await makers(app).device('laptop');
  const read = async () => (await app.request('GET', `${path}/${id}`)).json;
  await app.store.db.updateTable('devices').set({ last_connection: 1000 }).where('id', '=', id).execute();
  assert.deepEqual([(await read()).status, (await read()).lastConnection], ['Offline', '1970-01-01T00:00:01.000Z']);
  app.channel.handshakes.set(id, app.clock.now);
  const seen = new Date(app.clock.now).toISOString();
  app.clock.now += 180_000;
  assert.deepEqual([(await read()).status, (await read()).lastConnection], ['Online', seen]);
  app.clock.now += 1;
  assert.deepEqual([(await read()).status, (await read()).lastConnection], ['Offline', seen]);
});

test('a device is deactivated and reactivated, and keeps its addresses', async (t) => {
  const app = await openTestApp(t);
  const made = await makers(app).device('laptop');
  const url = `${path}/${made.id}`;
  const plan = await app.request('PATCH', `${url}/deactivate?dry-run=true`);
  assert.deepEqual(plan.json.changes, [{ action: 'disconnect', kind: 'device', id: made.id, name: 'laptop' }]);
  app.clock.now += 1000;
  app.channel.handshakes.set(made.id, app.clock.now);
  const cut = await app.request('PATCH', `${url}/deactivate`);
  assert.equal(cut.status, 200, cut.text);
  assert.deepEqual([cut.json.active, cut.json.status, cut.headers.etag], [false, 'Deactivated', '"2"']);
  assert.deepEqual(cut.json.overlayAddresses, made.overlayAddresses);
  assert.notEqual(cut.json.updatedAt, made.updatedAt);
  const before = await revisionOf(app);
  assert.equal((await app.request('PATCH', `${url}/deactivate`)).status, 200);
  assert.equal(await revisionOf(app), before, 'twice is once');
  const stale = { headers: { 'if-match': '"1"' } };
  await assertRefused(app, ['POST', `${url}/reactivate`, stale], 412, 'precondition_failed');
  const back = await app.request('POST', `${url}/reactivate`);
  assert.deepEqual([back.status, back.json.active, back.json.status], [201, true, 'Online']);
});

test('deleting a device takes it out of policies, and its addresses rest', async (t) => {
  const app = await openTestApp(t);
  const make = makers(app);
  const [gone, stays] = [await make.device('gone'), await make.device('stays')];
  const policy = await make.policy('p', { devices: [gone.id, stays.id] });
  const plan = await app.request('DELETE', `${path}/${gone.id}?dry-run=true`);
  assert.deepEqual(plan.json.changes, [
    { action: 'delete', kind: 'device', id: gone.id, name: 'gone' },
    { action: 'update', kind: 'policy', id: policy.id, name: 'p' },
  ]);
  assert.equal((await app.request('DELETE', `${path}/${gone.id}`)).status, 204);
  const after = (await app.request('GET', `/tenants/policies/${policy.id}`)).json;
  assert.deepEqual(
    after.devices.map(({ id }: { id: string }) => id),
    [stays.id],
  );
  const next = await app.request('POST', path, { body: { name: 'n', publicKey: publicKeyOf('gone') } });
  assert.equal(next.status, 201, 'the key is free again');
  assert.notEqual(next.json.overlayAddresses[0], gone.overlayAddresses[0]);
});

test('unknown devices and those of others are not found', async (t) => {
  const app = await openTestApp(t);
  const { id } = await makers(app).device('laptop');
  for (const options of [{ id: missing }, { id, key: app.other.key }]) {
    const url = `${path}/${options.id}`;
    const key = options.key ?? app.tenant.key;
    await assertRefused(app, ['GET', url, { key }], 404, 'not_found');
    await assertRefused(app, ['GET', `${url}/configuration`, { key }], 404, 'not_found');
    await assertRefused(app, ['DELETE', url, { key }], 404, 'not_found');
    await assertRefused(app, ['PATCH', `${url}/deactivate`, { key }], 404, 'not_found');
    await assertRefused(app, ['POST', `${url}/reactivate`, { key }], 404, 'not_found');
  }
  await assertRefused(app, ['GET', `${path}/nonsense`], 400, 'invalid_request', ['path/id']);
});

test('devices are listed in pages, in the order asked for', async (t) => {
  const app = await openTestApp(t);
  const make = makers(app);
  for (const name of ['b', 'a', 'd', 'c']) {
    app.clock.now += 1000;
    await make.device(name);
  }
  const list = async (query: string) => {
    const { status, json, text } = await app.request('GET', `${path}?${query}`);
    assert.equal(status, 200, text);
    const { data, ...envelope } = json;
    return { names: data.map(({ name }: { name: string }) => name).join(''), ...envelope };
  };
  assert.deepEqual(await list(''), {
    names: 'badc',
    total: 4,
    page: 0,
    limit: 10,
    hasNext: false,
    hasPrevious: false,
  });
  assert.equal((await list('sort=name')).names, 'abcd');
  assert.equal((await list('sort=-createdAt')).names, 'cdab');
  assert.deepEqual(await list('sort=name:desc&limit=2&offset=1'), {
    names: 'cb',
    total: 4,
    page: 0,
    limit: 2,
    hasNext: true,
    hasPrevious: true,
  });
  await assertRefused(app, ['GET', `${path}?sort=posture`], 400, 'invalid_request', ['query/sort']);
  await assertRefused(app, ['GET', `${path}?filter[posture]=a`], 400, 'invalid_request', ['query/filter[posture]']);
});
