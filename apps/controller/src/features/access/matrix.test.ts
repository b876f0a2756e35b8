import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { MatrixEntry } from '@sallyport/contract';
import { makers } from '../../testing/api.ts';
import { openTestApp, type TestApp } from '../../testing/harness.ts';

const path = '/tenants/access/matrix';

async function read(app: TestApp, query = '', key = app.tenant.key): Promise<MatrixEntry[]> {
  const answer = await app.request('GET', path + query, { key });
  assert.equal(answer.status, 200, answer.text);
  assert.equal(answer.headers['content-type'], 'application/x-ndjson; charset=utf-8');
  return answer.json;
}

/** Jane's phone and nobody's laptop may reach the web; the phone alone, and by day only, the files. */
async function office(app: TestApp) {
  const make = makers(app);
  const [berlin, bonn] = [await make.gateway('Berlin'), await make.gateway('Bonn')];
  const https = await make.protocol('443');
  const web = await make.resource('web', [{ address: '10.0.0.1', protocols: [https.id] }]);
  const files = await make.resource('files', [{ address: '10.0.0.2', protocols: [https.id] }]);
  const closed = await make.resource('closed', [{ address: '10.0.0.3', protocols: [https.id] }]);
  await make.attach(web.id, [berlin.id, bonn.id]);
  await make.attach(files.id, [bonn.id]);
  await make.attach(closed.id, [bonn.id]);
  const jane = await make.user('jane@example.com');
  const phone = await make.device('phone', { user: jane.id });
  const laptop = await make.device('laptop');
  const everybody = await make.policy('everybody', { allDevices: true, resources: [web.id] });
  const rule = await make.rule('by day', "time.between('08:00', '18:00')", { hasTimeConstraint: true });
  const people = await make.policy('people', { users: [jane.id], resources: [files.id], rule: rule.id });
  return { berlin, bonn, web, files, closed, jane, phone, laptop, everybody, people };
}

const pairs = (entries: readonly MatrixEntry[]) =>
  entries.map(({ device, resource }) => `${device.name} ${resource.name}`).sort();

test('the matrix lists every device with the resources it reaches, by policy, gateway and end time', async (t) => {
  const app = await openTestApp(t);
  const { berlin, bonn, web, files, jane, phone, laptop, everybody, people } = await office(app);
  const entries = await read(app);
  const user = { id: jane.id, email: 'jane@example.com' };
  const toWeb = { resource: { id: web.id, name: 'web' }, policies: [everybody.id], gateways: [berlin.id, bonn.id] };
  const expected = [
    { device: { id: phone.id, name: 'phone' }, user, ...toWeb },
    {
      device: { id: phone.id, name: 'phone' },
      user,
      resource: { id: files.id, name: 'files' },
      policies: [people.id],
      gateways: [bonn.id],
      validUntil: '2026-01-15T18:00:00.000Z',
    },
    { device: { id: laptop.id, name: 'laptop' }, ...toWeb },
  ];
  const sorted = (list: readonly object[]) =>
    list.map((entry) => JSON.stringify(entry, Object.keys(flat(entry)).sort())).sort();
  const flat = (entry: object) => ({
    ...entry,
    device: 0,
    id: 0,
    name: 0,
    email: 0,
    user: 0,
    resource: 0,
    policies: 0,
    gateways: 0,
    validUntil: 0,
  });
  assert.deepEqual(sorted(entries), sorted(expected));
});

test('each filter of the matrix works alone, repeated, and together with others', async (t) => {
  const app = await openTestApp(t);
  const { berlin, bonn, web, files, closed, jane, phone, laptop } = await office(app);
  const found = async (query: string) => pairs(await read(app, query));
  assert.deepEqual(await found(`?device=${phone.id}`), ['phone files', 'phone web']);
  assert.deepEqual(await found(`?device=${phone.id}&device=${laptop.id}`), ['laptop web', 'phone files', 'phone web']);
  assert.deepEqual(await found(`?user=${jane.id}`), ['phone files', 'phone web']);
  assert.deepEqual(await found(`?resource=${web.id}`), ['laptop web', 'phone web']);
  assert.deepEqual(await found(`?resource=${web.id.toUpperCase()}&resource=${files.id}`), [
    'laptop web',
    'phone files',
    'phone web',
  ]);
  assert.deepEqual(await found(`?gateway=${berlin.id}`), ['laptop web', 'phone web']);
  assert.deepEqual(await found(`?gateway=${bonn.id}&user=${jane.id}&resource=${files.id}`), ['phone files']);
  assert.deepEqual(await found(`?resource=${closed.id}`), []);
  assert.deepEqual(await found('?device=11111111-2222-4333-8444-555555555555'), []);
});

test('the matrix shows access at this moment', async (t) => {
  const app = await openTestApp(t);
  const { files } = await office(app);
  app.clock.now = Date.UTC(2026, 0, 15, 19);
  assert.deepEqual(pairs(await read(app, `?resource=${files.id}`)), []);
});

test('the matrix shows only the own tenant, needs the right to diagnose, and takes ids as filters', async (t) => {
  const app = await openTestApp(t);
  const { phone } = await office(app);
  assert.deepEqual(await read(app, '', app.other.key), []);
  assert.deepEqual(await read(app, `?device=${phone.id}`, app.other.key), []);
  assert.equal((await read(app, '', await app.key('SUPPORT'))).length, 3);
  const refused = async (query: string, key = app.tenant.key) =>
    (await app.request('GET', path + query, { key })).json.code;
  assert.equal(await refused('', await app.key('AUDITOR')), 'forbidden');
  assert.equal(await refused('?device=laptop'), 'invalid_request');
  assert.equal(await refused('?policy=x'), 'invalid_request');
});
