import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { assertRefused, makers } from '../../testing/api.ts';
import { openTestApp, type TestApp } from '../../testing/harness.ts';

const path = '/tenants/policies';
type Named = { id: string; name: string };
const names = (objects: Named[]) => objects.map(({ name }) => name);

async function start(t: TestContext) {
  const app = await openTestApp(t);
  const make = makers(app);
  const web = await make.protocol('80');
  const addresses = [{ address: '10.0.0.1', protocols: [web.id] }];
  const resource = await make.resource('server', addresses);
  const saas = await make.resource('mail', addresses, { type: 'SAAS' });
  const [rule] = (await app.request('GET', '/tenants/admission-rules')).json;
  return { app, make, resource, saas, rule, device: await make.device('laptop') };
}

type More = Record<string, unknown>;

/** Refusals of a policy of a type by each of the fields that it cannot have so. */
function refusals(app: TestApp, type: string, good: More) {
  return async (more: More, ...pointers: string[]) => {
    const body = { name: 'x', action: true, type, ...good, ...more };
    await assertRefused(app, ['POST', path, { body }], 400, 'invalid_request', pointers);
  };
}

test('fields without effect are refused and not ignored', async (t) => {
  const { app, make, saas, resource } = await start(t);
  const gateway = await make.gateway('Berlin');
  for (const [type, foreign] of [
    ['PRIVATE', saas],
    ['SAAS', resource],
  ] as const) {
    const refused = refusals(app, type, {});
    await refused({ sourceIps: ['10.0.0.0/8'] }, '/sourceIps');
    await refused({ sourceIps: ['ten'] }, '/sourceIps/0');
    await refused({ gateways: [gateway.id] }, '/gateways');
    await refused({ mode: 'LOCAL' }, '/mode');
    await refused({ resources: [foreign.id] }, '/resources/0');
    await refused({ order: 3, isdefault: true }, '/isdefault');
    await refused({ action: 'allow' }, '/action');
  }
  const empty = { sourceIps: [], gateways: [], mode: null };
  const everybody = await make.policy('x', { allGroups: true, allUsers: true, ...empty });
  assert.deepEqual([everybody.allGroups, everybody.allUsers], [true, true]);
});

test('an internet policy has a mode, and gateways where the traffic leaves through them', async (t) => {
  const { app, make, resource } = await start(t);
  const gateway = await make.gateway('Berlin');
  const refused = refusals(app, 'INTERNET', {});
  await refused({ action: false }, '/action');
  await refused({ mode: 'INTERNET_ACCESS_POINT' }, '/gateways');
  await refused({ mode: 'INTERNET_ACCESS_POINT', gateways: [] }, '/gateways');
  await refused({ mode: 'REMOTE', gateways: [gateway.id] }, '/mode');
  await refused({ sourceIps: ['10.0.0.0/8'] }, '/sourceIps');
  await refused({ resources: [resource.id] }, '/resources/0');

  const protocols = resource.addresses[0].protocols.map(({ id }: Named) => id);
  const site = await make.resource('site', [{ address: '198.51.100.7', protocols }], { type: 'INTERNET' });
  const local = await make.policy('local', { type: 'INTERNET', allUsers: true, resources: [site.id] });
  assert.deepEqual([local.mode, local.order, names(local.resources)], ['LOCAL', 1, ['site']]);
  const through = { type: 'INTERNET' as const, mode: 'INTERNET_ACCESS_POINT' as const, gateways: [gateway.id] };
  const point = await make.policy('through Berlin', through);
  assert.deepEqual([point.mode, point.order, names(point.gateways)], ['INTERNET_ACCESS_POINT', 2, ['Berlin']]);

  const url = `${path}/${point.id}`;
  const required = { name: 'p', action: true, rule: point.rule.id };
  await assertRefused(app, ['PATCH', url, { body: { ...required, gateways: [] } }], 400, 'invalid_request', [
    '/gateways',
  ]);
  const back = (await app.request('PATCH', url, { body: { ...required, mode: null } })).json;
  assert.deepEqual([back.mode, names(back.gateways)], ['LOCAL', ['Berlin']]);
  const again = await app.request('PATCH', url, { body: { ...required, mode: 'INTERNET_ACCESS_POINT' } });
  assert.equal(again.status, 200, 'the gateways that it has count');
  const list = (await app.request('GET', path)).json.filter(({ type }: { type: string }) => type === 'INTERNET');
  assert.deepEqual(names(list), ['local', 'p', 'Default internet policy']);
  const order = { type: 'INTERNET', policies: [point.id, local.id] };
  const ordered = (await app.request('PATCH', `${path}/reorder`, { body: order })).json;
  assert.deepEqual(names(ordered), ['p', 'local', 'Default internet policy']);
});

test('a site-to-site policy has sites and gateways, and no people', async (t) => {
  const { app, make, resource, saas, device, rule } = await start(t);
  const gateway = await make.gateway('Berlin');
  const [staff, anna] = [await make.group('Staff'), await make.user('anna@example.com')];
  const sourceIps = ['192.168.1.7/24', '192.168.1.0/24', '::ffff:192.168.1.0/120'];
  const good = { type: 'SITETOSITE' as const, sourceIps, gateways: [gateway.id] };
  const refused = refusals(app, 'SITETOSITE', good);
  await refused({ sourceIps: [] }, '/sourceIps');
  await refused({ gateways: null }, '/gateways');
  await refused({ groups: [staff.id] }, '/groups');
  await refused({ users: [anna.id] }, '/users');
  await refused({ devices: [device.id] }, '/devices');
  await refused({ allGroups: true, allUsers: true, allDevices: true }, '/allGroups', '/allUsers', '/allDevices');
  await refused({ mode: 'LOCAL' }, '/mode');
  const made = await make.policy('sites', { ...good, resources: [resource.id, saas.id] });
  assert.deepEqual([made.sourceIps, made.order, names(made.resources)], [['192.168.1.0/24'], 1, ['server', 'mail']]);
  const body = { name: 'sites', action: false, rule: rule.id, allResources: true };
  const denied = await app.request('PATCH', `${path}/${made.id}`, { body });
  assert.deepEqual([denied.status, denied.json.action, denied.json.sourceIps], [200, false, ['192.168.1.0/24']]);
});

test('of the default policy mode and gateways can be changed, and nothing else', async (t) => {
  const { app, make } = await start(t);
  const gateway = await make.gateway('Berlin');
  const office = await make.rule('Office hours', "time.between('08:00', '18:00')");
  const [standard] = (await app.request('GET', path)).json;
  const url = `${path}/${standard.id}`;
  const changes = [
    { name: 'x' },
    { allUsers: false },
    { description: 'x' },
    { rule: office.id },
    { allResources: true },
  ];
  for (const change of changes)
    await assertRefused(app, ['PATCH', url, { body: { ...standard, ...change } }], 409, 'built_in');
  const missingGateway = { body: { ...standard, mode: 'INTERNET_ACCESS_POINT' } };
  await assertRefused(app, ['PATCH', url, missingGateway], 400, 'invalid_request', ['/gateways']);
  const body = { ...standard, mode: 'INTERNET_ACCESS_POINT', gateways: [gateway.id] };
  const changed = await app.request('PATCH', url, { body });
  assert.equal(changed.status, 200, changed.text);
  assert.deepEqual([changed.json.mode, names(changed.json.gateways)], ['INTERNET_ACCESS_POINT', ['Berlin']]);
  await make.policy('above', { type: 'INTERNET', allUsers: true });
  const list = (await app.request('GET', path)).json;
  assert.deepEqual([names(list), list[1].order], [['above', 'Default internet policy'], 2]);
});
