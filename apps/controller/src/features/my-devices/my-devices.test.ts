import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { type Operation, operations } from '@sallyport/contract';
import { makers, publicKeyOf } from '../../testing/api.ts';
import { signInOwner, signInUser } from '../../testing/browser.ts';
import { openTestApp } from '../../testing/harness.ts';

const path = '/tenants/me/devices';

/** Jane with a laptop of her own, her colleague, and the owner of another tenant. */
async function start(t: TestContext) {
  const app = await openTestApp(t);
  const make = makers(app);
  const jane = await signInUser(app, 'jane@example.com');
  const colleague = await signInUser(app, 'colleague@example.com');
  const stranger = await signInOwner(app, 'stranger@example.com', app.other);
  const laptop = await jane.browser.ok('POST', path, { name: 'laptop', publicKey: publicKeyOf('laptop') });
  return { app, make, jane, colleague, stranger, laptop };
}

test('a person adds, lists, renames and deletes an own device', async (t) => {
  const { app, jane, laptop } = await start(t);
  assert.deepEqual([laptop.name, laptop.kind, laptop.active, laptop.user], ['laptop', 'PLAIN', true, undefined]);
  const seen = (await app.request('GET', `/tenants/devices/${laptop.id}`)).json;
  assert.equal(seen.user.id, jane.id);
  const page = await jane.browser.ok('GET', path);
  assert.deepEqual([page.total, page.data], [1, [laptop]]);
  const renamed = await jane.browser.ok('PATCH', `${path}/${laptop.id}`, { name: 'notebook' });
  assert.deepEqual({ ...renamed, name: 'laptop', updatedAt: laptop.updatedAt }, laptop);
  assert.equal((await jane.browser.request('DELETE', `${path}/${laptop.id}`)).status, 204);
  assert.equal((await jane.browser.ok('GET', path)).total, 0);
});

test('the audit trail names the person who changed an own device', async (t) => {
  const { app, jane, laptop } = await start(t);
  await jane.browser.ok('PATCH', `${path}/${laptop.id}`, { name: 'notebook' });
  await jane.browser.ok('DELETE', `${path}/${laptop.id}`);
  const events = (await app.request('GET', '/tenants/audit-events?limit=3')).json.data;
  const told = events.map(({ action, actor, object }: { action: string; actor: object; object: { id: string } }) => [
    action,
    actor,
    object.id,
  ]);
  const actor = { kind: 'user', id: jane.id, name: 'jane@example.com' };
  assert.deepEqual(
    told,
    ['removeMyDevice', 'renameMyDevice', 'addMyDevice'].map((action) => [action, actor, laptop.id]),
  );
});

test('a device of somebody else is not there, in the same tenant or another', async (t) => {
  const { app, jane, colleague, stranger, laptop, make } = await start(t);
  const unowned = await make.device('unowned');
  const others = [
    [colleague.browser, laptop.id],
    [stranger, laptop.id],
    [jane.browser, unowned.id],
  ] as const;
  for (const [browser, id] of others) {
    const answers = [
      await browser.request('GET', `${path}/${id}/configuration`),
      await browser.request('PATCH', `${path}/${id}`, { name: 'mine now' }),
      await browser.request('DELETE', `${path}/${id}`),
    ];
    for (const { status, json } of answers) assert.deepEqual([status, json.code], [404, 'not_found']);
  }
  assert.equal((await colleague.browser.ok('GET', path)).total, 0);
  assert.equal((await stranger.ok('GET', path)).total, 0);
  assert.equal((await app.request('GET', `/tenants/devices/${laptop.id}`)).json.name, 'laptop');
});

test('the person who calls is the owner, and nothing else can be set', async (t) => {
  const { jane, colleague } = await start(t);
  for (const more of [{ user: colleague.id }, { entryGateway: colleague.id }, { hardwareId: 'x' }, { posture: {} }]) {
    const body = { name: 'x', publicKey: publicKeyOf('x'), ...more };
    assert.equal((await jane.browser.request('POST', path, body)).json.code, 'invalid_request');
  }
  const taken = await colleague.browser.request('POST', path, { name: 'x', publicKey: publicKeyOf('laptop') });
  assert.deepEqual([taken.status, taken.json.code], [409, 'public_key_taken']);
});

test('the device limit of the person counts', async (t) => {
  const { app, jane } = await start(t);
  const limited = await app.request('PUT', `/tenants/users/${jane.id}`, { body: { maxDevices: 2 } });
  assert.equal(limited.status, 200, limited.text);
  await jane.browser.ok('POST', path, { name: 'phone', publicKey: publicKeyOf('phone') });
  const third = await jane.browser.request('POST', path, { name: 'tablet', publicKey: publicKeyOf('tablet') });
  assert.deepEqual([third.status, third.json.code], [409, 'device_limit']);
  assert.equal(third.json.errors, undefined, 'no field of the request is wrong');
});

test('a deactivated device stays as the administrator left it', async (t) => {
  const { app, jane, laptop } = await start(t);
  assert.equal((await app.request('PATCH', `/tenants/devices/${laptop.id}/deactivate`)).status, 200);
  const refused = await jane.browser.request('DELETE', `${path}/${laptop.id}`);
  assert.deepEqual([refused.status, refused.json.code], [409, 'device_deactivated']);
  assert.equal((await jane.browser.ok('GET', path)).data[0].status, 'Deactivated');
});

test('the configuration is that of the device, and a native device has none', async (t) => {
  const { app, jane, laptop } = await start(t);
  const configuration = await jane.browser.ok('GET', `${path}/${laptop.id}/configuration`);
  const seen = (await app.request('GET', `/tenants/devices/${laptop.id}/configuration`)).json;
  assert.deepEqual(configuration, seen);
  await app.store.db.updateTable('devices').set({ identity_key: 'x' }).where('id', '=', laptop.id).execute();
  const native = await jane.browser.request('GET', `${path}/${laptop.id}/configuration`);
  assert.deepEqual([native.status, native.json.code], [409, 'native_device']);
});

test('one person cannot use up the addresses of the tenant by adding and deleting', async (t) => {
  const { app, jane, colleague, laptop } = await start(t);
  const rename = () => jane.browser.request('PATCH', `${path}/${laptop.id}`, { name: 'again' });
  const codes = new Set<number>();
  for (let i = 0; i < 25; i++) codes.add((await rename()).status);
  assert.deepEqual([...codes], [200, 429]);
  const body = { name: 'phone', publicKey: publicKeyOf('phone') };
  assert.equal((await colleague.browser.request('POST', path, body)).status, 201, 'others are not held up');
  app.clock.now += 10_000;
  assert.equal((await rename()).status, 200);
  assert.equal((await rename()).status, 429);
});

test('a user may call everything of the own account, and nothing else', async (t) => {
  const { jane } = await start(t);
  for (const { method, path, right } of Object.values<Operation>(operations)) {
    if (right === null) continue;
    const at = path.replaceAll(/\{\w+\}/g, '11111111-2222-4333-8444-555555555555');
    // Without a body a write of the own account is refused as incomplete; sessions must not end here.
    if (right === 'self' && method === 'DELETE') continue;
    const { status, json } = await jane.browser.request(method, at);
    if (right === 'self') assert.notEqual(json?.code, 'forbidden', `${method} ${path}`);
    else assert.deepEqual([status, json.code], [403, 'forbidden'], `${method} ${path}`);
  }
});

test('an API key owns no device', async (t) => {
  const { app } = await start(t);
  const answer = await app.request('GET', path);
  assert.deepEqual([answer.status, answer.json.code], [403, 'forbidden']);
});
