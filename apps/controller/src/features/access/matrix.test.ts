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

test('resources of names alone are in the matrix and in dry runs, and never by their virtual addresses', async (t) => {
  const app = await openTestApp(t);
  const make = makers(app);
  const https = await make.protocol('443');
  const named = async (name: string, address: string) => {
    const made = await make.resource(name, [{ address, protocols: [https.id] }]);
    await make.attach(made.id, [(await make.gateway(`of ${name}`)).id]);
    return made;
  };
  const wiki = await named('wiki', 'wiki.corp.example');
  const corp = await named('corp', '*.lab.example');
  const phone = await make.device('phone');
  const body = { name: 'p', action: true, type: 'PRIVATE', devices: [phone.id], resources: [wiki.id, corp.id] };
  const texts: string[] = [];
  const plan = async (method: 'POST' | 'PUT' | 'DELETE', of: string, more?: object) => {
    const { status, json, text } = await app.request(
      method,
      `${of}?dry-run=true`,
      more === undefined ? {} : { body: more },
    );
    assert.equal(status, 200, text);
    texts.push(text);
    const resources = json.pairs.map(({ resource }: MatrixEntry) => resource.name).sort();
    return [json.gained, json.lost, ...resources];
  };
  assert.deepEqual(await plan('POST', '/tenants/policies', body), [2, 0, 'corp', 'wiki']);
  const { json: policy } = await app.request('POST', '/tenants/policies', { body });
  const entries = await read(app);
  assert.deepEqual(pairs(entries), ['phone corp', 'phone wiki']);
  assert.deepEqual(await plan('DELETE', `/tenants/policies/${policy.id}`), [0, 2, 'corp', 'wiki']);
  const { version: _, ...whole } = (await app.request('GET', `/tenants/resources/${wiki.id}`)).json;
  const renamed = { ...whole, addresses: [{ address: 'other.corp.example', protocols: whole.addresses[0].protocols }] };
  const rename = await plan('PUT', `/tenants/resources/${wiki.id}`, renamed);
  assert.deepEqual(rename.slice(0, 2), [0, 0]);
  assert.equal((await app.store.db.selectFrom('virtual_addresses').select('name').execute()).length, 2);
  assert.doesNotMatch(texts.join() + JSON.stringify(entries), /100\.96\.|ffff::/);
});
