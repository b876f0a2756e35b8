import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { isBatchable, mostWrites, type Operation, type OperationName, operations } from '@sallyport/contract';
import { assertRefused, lastChanges, makers, revisionOf } from '../testing/api.ts';
import { acceptInvitation } from '../testing/browser.ts';
import { openTestApp, type TestApp } from '../testing/harness.ts';
import { makeSample, samplePath, validBody } from '../testing/sample.ts';

const path = '/tenants/batch';

interface Write {
  readonly method: string;
  readonly path: string;
  readonly body?: unknown;
  readonly ifMatch?: string;
}

const batch = (app: TestApp, writes: readonly Write[], query = '', headers = {}) =>
  app.request('POST', `${path}${query}`, { body: { writes }, headers });

async function world(t: TestContext) {
  const app = await openTestApp(t);
  const make = makers(app);
  const devices = [await make.device('a'), await make.device('b'), await make.device('c')];
  const { id: protocol } = await make.protocol('443');
  const wiki = await make.resource('Wiki', [{ address: '10.0.0.1', protocols: [protocol] }]);
  await make.attach(wiki.id, [(await make.gateway('berlin')).id]);
  await make.policy('staff', { allDevices: true, resources: [wiki.id] });
  return { app, devices };
}

const verb = (id: string, word: 'deactivate' | 'reactivate'): Write => ({
  method: word === 'deactivate' ? 'PATCH' : 'POST',
  path: `/tenants/devices/${id}/${word}`,
});

const activeOf = async (app: TestApp) =>
  (await app.request('GET', '/tenants/devices')).json.data.map(({ active }: { active: boolean }) => active);

test('a batch makes its writes in order, as one revision with an audit event for each', async (t) => {
  const { app, devices } = await world(t);
  const before = await revisionOf(app);
  const [a, b, c] = devices;
  const label = { method: 'PATCH', path: `/tenants/devices/${c.id}`, body: { name: 'c', labels: ['eu'] } };
  const { status, json, text } = await batch(app, [verb(a.id, 'deactivate'), label, verb(b.id, 'deactivate')]);
  assert.equal(status, 200, text);
  assert.deepEqual(
    json.answers,
    [a, c, b].map(({ id }) => ({ status: 200, id, etag: '"2"' })),
  );
  assert.deepEqual(await activeOf(app), [false, false, true]);
  assert.equal(await revisionOf(app), before + 1);
  assert.deepEqual(await lastChanges(app), [
    'deactivateDevice: device',
    'updateDevice: device',
    'deactivateDevice: device',
  ]);
});

test('one plan covers the whole batch, and the batch can be bound to it', async (t) => {
  const { app, devices } = await world(t);
  const writes = devices.slice(0, 2).map(({ id }) => verb(id, 'deactivate'));
  const plan = await batch(app, writes, '?dry-run=true');
  assert.equal(plan.status, 200, plan.text);
  assert.deepEqual([plan.json.gained, plan.json.lost, plan.json.changes.length], [0, 2, 2]);
  assert.deepEqual(await activeOf(app), [true, true, true], 'a dry run changes nothing');
  await makers(app).group('news');
  const match = { 'if-match': String(plan.headers.etag) };
  assert.equal((await batch(app, writes, '', match)).status, 412);
  const again = await batch(app, writes, '?dry-run=true');
  assert.equal((await batch(app, writes, '', { 'if-match': String(again.headers.etag) })).status, 200);
  assert.deepEqual(await activeOf(app), [false, false, true]);
});

test('the first failure undoes all of the batch and names the write', async (t) => {
  const { app, devices } = await world(t);
  const [a, b] = devices;
  const good = verb(a.id, 'deactivate');
  const gone = verb(crypto.randomUUID(), 'deactivate');
  const stale = { ...verb(b.id, 'deactivate'), ifMatch: '"9"' };
  const nameless = { method: 'PATCH', path: `/tenants/devices/${b.id}`, body: { name: '', labels: ['-'] } };
  const refused = (last: Write, status: number, code: Parameters<typeof assertRefused>[3], pointers: string[]) =>
    assertRefused(app, ['POST', path, { body: { writes: [good, last] } }], status, code, pointers);
  await refused(gone, 404, 'not_found', ['/writes/1']);
  await refused(stale, 412, 'precondition_failed', ['/writes/1']);
  await refused(nameless, 400, 'invalid_request', ['/writes/1/body/name', '/writes/1/body/labels/0']);
  await refused({ ...good, body: { x: 1 } }, 400, 'invalid_request', ['/writes/1/body']);
  await refused({ method: 'PATCH', path: '/tenants/devices/x/deactivate' }, 400, 'invalid_request', ['/writes/1/path']);
  assert.deepEqual(await activeOf(app), [true, true, true]);
});

test('a batch holds no reads, nothing that needs a fresh sign-in or another right, and no batch', async (t) => {
  const { app } = await world(t);
  const refused = (write: Write, pointer = '/writes/0/path') =>
    assertRefused(app, ['POST', path, { body: { writes: [write] } }], 400, 'invalid_request', [pointer]);
  await refused({ method: 'POST', path });
  await refused({ method: 'POST', path: '/tenants/api-keys', body: { name: 'x' } });
  await refused({ method: 'PATCH', path: '/tenants/settings', body: { name: 'x' } });
  await refused({ method: 'POST', path: '/tenants/access/explain' });
  await refused({ method: 'DELETE', path: '/tenants/me/session' });
  await refused({ method: 'POST', path: '/tenants/devices?dry-run=true' });
  await refused({ method: 'POST', path: '/tenants/../sign-in' });
  await refused({ method: 'GET', path: '/tenants/devices' }, '/writes/0/method');
  const many = Array.from({ length: mostWrites + 1 }, () => ({ method: 'POST', path: '/tenants/groups' }));
  for (const writes of [[], many])
    await assertRefused(app, ['POST', path, { body: { writes } }], 400, 'invalid_request', ['/writes']);
});

test('every write that a batch can hold has the same effect in a batch of one', async (t) => {
  const entries = (Object.entries(operations) as [OperationName, Operation][]).filter(
    ([name, operation]) => name !== 'writeBatch' && isBatchable(operation),
  );
  assert.ok(entries.length > 25);
  const unchanged: string[] = [];
  for (const [name, operation] of entries) {
    const app = await openTestApp(t);
    const sample = await makeSample(app);
    if (name === 'transferOwnership') await acceptInvitation(app, sample.user);
    const body = validBody(name, sample);
    const write = { method: operation.method, path: samplePath(operation.path, sample), ...(body && { body }) };
    const before = await revisionOf(app);
    const { status, json, text } = await batch(app, [write]);
    assert.equal(status, 200, `${name}: ${text}`);
    assert.equal(json.answers[0].status, operation.status, name);
    if ((await revisionOf(app)) === before) unchanged.push(name);
    else
      assert.ok(
        (await lastChanges(app)).every((change) => change.startsWith(`${name}: `)),
        name,
      );
  }
  const same = ['disableRelay', 'reactivateDevice', 'reorderPolicies', 'reactivateUser', 'inviteUser', 'addUserGroup'];
  assert.deepEqual(unchanged, same, 'the others change the sample');
});

test('a repeated batch gets its first answer, without another effect', async (t) => {
  const { app } = await world(t);
  const writes = [{ method: 'POST', path: '/tenants/groups', body: { name: 'x', roles: [] } }];
  const first = await batch(app, writes, '', { 'idempotency-key': 'k' });
  const again = await batch(app, writes, '', { 'idempotency-key': 'k' });
  assert.deepEqual([again.status, again.text], [200, first.text]);
  assert.equal((await app.request('GET', '/tenants/groups?filter[name]=x')).json.total, 1);
});

test('a key that may only read makes no batch', async (t) => {
  const { app, devices } = await world(t);
  const { json } = await app.request('POST', '/tenants/api-keys', { body: { name: 'auditor', role: 'AUDITOR' } });
  const body = { writes: [verb(devices[0].id, 'deactivate')] };
  const { status } = await app.request('POST', path, { body, key: json.key });
  assert.equal(status, 403);
  assert.deepEqual(await activeOf(app), [true, true, true]);
});

test('the largest batch is made as one', async (t) => {
  const app = await openTestApp(t);
  const writes = Array.from({ length: mostWrites }, (_, i) => ({
    method: 'POST',
    path: '/tenants/groups',
    body: { name: `g${i}`, roles: [] },
  }));
  const before = await revisionOf(app);
  assert.equal((await batch(app, writes)).status, 200);
  assert.equal(await revisionOf(app), before + 1);
  assert.equal((await app.request('GET', '/tenants/groups?filter[name][ilike]=g%')).json.total, mostWrites);
});
