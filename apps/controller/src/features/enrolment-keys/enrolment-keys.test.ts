import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertRefused, lastChanges, makers, publicKeyOf, revisionOf } from '../../testing/api.ts';
import { enrolWith, makeKey, nativeDevice } from '../../testing/enrol.ts';
import { openTestApp, type TestApp } from '../../testing/harness.ts';

const path = '/tenants/enrolment-keys';
const hour = 3_600_000;
const list = async (app: TestApp) => (await app.request('GET', path)).json;
const deviceOf = (app: TestApp, id: string) => app.request('GET', `/tenants/devices/${id}`);

test('a key is shown once, lives a day unless told otherwise, and is listed for thirty days, newest first', async (t) => {
  const app = await openTestApp(t);
  const anna = await makers(app).user('anna@example.com');
  const { key, secret, ...first } = await makeKey(app, { name: 'laptop', user: anna.id });
  assert.match(key, /^sdk_[0-9a-f]{32}_/);
  assert.deepEqual(first, {
    id: first.id,
    createdAt: '2026-01-15T12:00:00.000Z',
    expiresAt: '2026-01-16T12:00:00.000Z',
    name: 'laptop',
    user: { id: anna.id, email: 'anna@example.com' },
  });
  app.clock.now += 24 * hour;
  const second = await makeKey(app, { expiresAt: '2026-01-16T12:00:01.000Z' });
  assert.deepEqual([second.name, second.user, second.expiresAt], [undefined, undefined, '2026-01-16T12:00:01.000Z']);
  assert.deepEqual(
    (await list(app)).map(({ id }: { id: string }) => id),
    [second.id, first.id],
  );
  assert.deepEqual((await list(app))[1], first);
  const rows = JSON.stringify([
    await app.store.db.selectFrom('enrolment_keys').selectAll().execute(),
    await app.store.db.selectFrom('audit_events').selectAll().execute(),
  ]);
  assert.ok(!rows.includes(secret));
  app.clock.now += 29 * 24 * hour + 1;
  assert.deepEqual(
    (await list(app)).map(({ id }: { id: string }) => id),
    [second.id],
  );
});

test('invalid keys are refused with the field', async (t) => {
  const app = await openTestApp(t);
  const refused = (body: object, code: 'invalid_request' | 'invalid_reference', pointer: string) =>
    assertRefused(app, ['POST', path, { body }], 400, code, [pointer]);
  await refused({ user: '00000000-0000-4000-8000-000000000000' }, 'invalid_reference', '/user');
  await refused({ name: '' }, 'invalid_request', '/name');
  await refused({ expiresAt: '2026-01-15T12:00:00.000Z' }, 'invalid_request', '/expiresAt');
  await refused({ expiresAt: '2026-02-14T12:00:00.001Z' }, 'invalid_request', '/expiresAt');
  await assertRefused(app, ['POST', path, { body: {}, key: await app.key('AUDITOR') }], 403, 'forbidden');
});

test('a device enrols once: it has the id and the name of the key, addresses, and pinned keys', async (t) => {
  const app = await openTestApp(t);
  const anna = await makers(app).user('anna@example.com');
  const key = await makeKey(app, { name: 'laptop', user: anna.id });
  const { agents } = app.parts.directory;
  const before = await agents.device.find(key.id);
  assert.ok(before !== null && before !== 'deleted');
  assert.deepEqual([before.identityKey, before.name, before.role], [null, 'laptop', 'device']);
  assert.equal(await enrolWith(app, { id: key.id, secret: `${key.secret.slice(1)}x` }), 'bad-token');
  assert.equal(await enrolWith(app, key, 'mine'), 'enrolled');
  assert.deepEqual(await lastChanges(app), ['enrol: user', 'enrol: device', 'enrol: enrolment-key']);
  const { json: device } = await deviceOf(app, key.id);
  assert.deepEqual(
    [device.name, device.kind, device.connected, device.user.id, device.publicKey, device.paths],
    ['laptop', 'NATIVE', false, anna.id, publicKeyOf('mine'), []],
  );
  assert.match(device.overlayAddresses[0], /^100\.64\.0\.\d+$/);
  assert.equal((await list(app))[0].usedAt, '2026-01-15T12:00:00.000Z');
  const after = await agents.device.find(key.id);
  assert.ok(after !== null && after !== 'deleted');
  assert.equal(after.identityKey, publicKeyOf('identity of mine'));
  assert.equal(after.wireguardPublicKey, publicKeyOf('mine'));
  assert.equal(await agents.gateway.find(key.id), null);

  const revision = await revisionOf(app);
  assert.equal(await enrolWith(app, key, 'copy'), 'already-enrolled');
  assert.equal(await enrolWith(app, key, 'copy'), 'already-enrolled');
  assert.equal(await revisionOf(app), revision + 1, 'a copied key is worth one event');
});

test('a key without a name names the device after the host, or "device" when the host name is invalid', async (t) => {
  const app = await openTestApp(t);
  const [good, bad] = [await makeKey(app), await makeKey(app)];
  assert.equal(await enrolWith(app, good, 'desk'), 'enrolled');
  assert.equal(await enrolWith(app, bad, '\u202eevil'), 'enrolled');
  assert.equal((await deviceOf(app, good.id)).json.name, 'host-desk');
  assert.equal((await deviceOf(app, bad.id)).json.name, 'device');
});

test('a client that retries its enrolment before it got the answer is the same client', async (t) => {
  const app = await openTestApp(t);
  const key = await makeKey(app);
  assert.deepEqual(await Promise.all([enrolWith(app, key, 'desk'), enrolWith(app, key, 'desk')]), [
    'enrolled',
    'enrolled',
  ]);
  assert.equal(await enrolWith(app, key, 'copy'), 'already-enrolled');
  assert.equal(await enrolWith(app, { ...key, secret: 'x'.repeat(43) }, 'desk'), 'bad-token');
  assert.equal((await app.request('GET', '/tenants/devices')).json.total, 1);
});

test('late keys, deleted keys and WireGuard keys of others enrol no device', async (t) => {
  const app = await openTestApp(t);
  await makers(app).device('laptop');
  const late = await makeKey(app);
  app.clock.now += 24 * hour;
  assert.equal(await enrolWith(app, late), 'expired-token');
  const taken = await makeKey(app);
  assert.equal(await enrolWith(app, taken, 'laptop'), 'key-taken');
  const gone = await makeKey(app);
  assert.equal((await app.request('DELETE', `${path}/${gone.id}`)).status, 204);
  assert.equal((await app.request('DELETE', `${path}/${gone.id}`)).status, 404);
  assert.equal(await app.parts.directory.agents.device.find(gone.id), null);
  assert.equal(await enrolWith(app, gone), 'bad-token');
  assert.equal((await app.request('GET', '/tenants/devices')).json.total, 1);
});

test('the limit of the owner holds when a device enrols, and an invitation is taken up by it', async (t) => {
  const app = await openTestApp(t);
  const anna = await makers(app).user('anna@example.com');
  await app.request('PUT', `/tenants/users/${anna.id}`, { body: { maxDevices: 1 } });
  const [first, second] = [await makeKey(app, { user: anna.id }), await makeKey(app, { user: anna.id })];
  assert.equal(await enrolWith(app, first), 'enrolled');
  assert.equal((await app.request('GET', `/tenants/users/${anna.id}`)).json.status, 'ACTIVE');
  assert.equal(await enrolWith(app, second), 'device-limit');
  assert.equal((await deviceOf(app, second.id)).status, 404);
  await app.request('DELETE', `/tenants/devices/${first.id}`);
  assert.equal(await enrolWith(app, second), 'enrolled', 'the key was not used up');
});

test('an invitation that has ended ends the keys of its user', async (t) => {
  const app = await openTestApp(t);
  const anna = await makers(app).user('anna@example.com');
  app.clock.now += 20 * 24 * hour;
  const key = await makeKey(app, { user: anna.id });
  assert.equal((await app.request('GET', `/tenants/users/${anna.id}`)).json.status, 'EXPIRED');
  assert.equal(await enrolWith(app, key), 'expired-token');
});

test('a key that is taken back after it was used leaves the device as it is', async (t) => {
  const app = await openTestApp(t);
  const device = await nativeDevice(app, 'laptop');
  assert.equal((await app.request('DELETE', `${path}/${device.id}`)).status, 204);
  const record = await app.parts.directory.agents.device.find(device.id);
  assert.ok(record !== null && record !== 'deleted' && record.identityKey !== null);
});

test('keys of another tenant are not visible, and keys are deleted with their user', async (t) => {
  const app = await openTestApp(t);
  const anna = await makers(app).user('anna@example.com');
  const key = await makeKey(app, { user: anna.id });
  assert.deepEqual((await app.request('GET', path, { key: app.other.key })).json, []);
  assert.equal((await app.request('DELETE', `${path}/${key.id}`, { key: app.other.key })).status, 404);
  assert.equal((await app.request('DELETE', `/tenants/users/${anna.id}`)).status, 204);
  assert.deepEqual(await list(app), []);
  assert.equal(await enrolWith(app, key), 'bad-token');
});
