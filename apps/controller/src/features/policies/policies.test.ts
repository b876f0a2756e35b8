import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { encodeJson } from '../../db/json.ts';
import { assertRefused, makers, publicKeyOf, revisionOf } from '../../testing/api.ts';
import { openTestApp, type TestApp } from '../../testing/harness.ts';

const path = '/tenants/policies';
const missing = '11111111-2222-4333-8444-555555555555';
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

const read = async (app: TestApp, id: string) => (await app.request('GET', `${path}/${id}`)).json;

test('a policy is created with objects in place of ids and with the built-in rule, and read back the same', async (t) => {
  const { app, make, resource, device, rule } = await start(t);
  const made = await make.policy('Staff', { description: 'd', devices: [device.id], resources: [resource.id] });
  const { id, createdAt, updatedAt, devices, resources, ...rest } = made;
  assert.deepEqual(rest, {
    name: 'Staff',
    description: 'd',
    action: true,
    order: 1,
    isDefault: false,
    type: 'PRIVATE',
    allGroups: false,
    allUsers: false,
    allDevices: false,
    allResources: false,
    groups: [],
    users: [],
    gateways: [],
    sourceIps: [],
    rule,
  });
  const { publicKey, overlayAddresses, kind, ...nestedDevice } = device;
  assert.deepEqual(devices, [nestedDevice]);
  const { addresses, gateways, unreachableReason, ...nestedResource } = resource;
  assert.deepEqual(resources, [nestedResource]);
  assert.deepEqual(await read(app, id), made);
});

test('policies are listed by type and order; a new one comes last, above the default one', async (t) => {
  const { app, make } = await start(t);
  await make.policy('first');
  await make.policy('saas', { type: 'SAAS' });
  await make.policy('second', { action: false });
  const list = (await app.request('GET', path)).json;
  assert.deepEqual(
    list.map((p: Named & { type: string; order: number; isDefault: boolean }) => [p.type, p.order, p.isDefault]),
    [
      ['INTERNET', 1, true],
      ['PRIVATE', 1, false],
      ['PRIVATE', 2, false],
      ['SAAS', 1, false],
    ],
  );
  assert.deepEqual(names(list), ['Default internet policy', 'first', 'second', 'saas']);
  for (const policy of list) assert.deepEqual(await read(app, policy.id), policy);
  assert.equal((await app.request('GET', path, { key: app.other.key })).json.length, 1);
});

test('references to what does not exist are refused with their places', async (t) => {
  const { app, device, resource } = await start(t);
  const refused = (more: object, pointers: string[], code: 'invalid_reference' | 'invalid_request') =>
    assertRefused(
      app,
      ['POST', path, { body: { name: 'x', action: true, type: 'PRIVATE', ...more } }],
      400,
      code,
      pointers,
    );
  await refused({ devices: [device.id, missing] }, ['/devices/1'], 'invalid_reference');
  await refused(
    { resources: [missing, resource.id, device.id] },
    ['/resources/0', '/resources/2'],
    'invalid_reference',
  );
  await refused({ gateways: [missing] }, ['/gateways/0'], 'invalid_reference');
  await refused({ rule: missing }, ['/rule'], 'invalid_reference');
  await refused({ users: [missing], groups: [missing] }, ['/users/0', '/groups/0'], 'invalid_reference');
  await refused({ devices: [device.id, device.id.toUpperCase()] }, ['/devices/1'], 'invalid_request');
  await refused({ devices: ['x'] }, ['/devices/0'], 'invalid_request');
  const foreign = await app.request('POST', '/tenants/devices', {
    body: { name: 'f', publicKey: publicKeyOf('f') },
    key: app.other.key,
  });
  await refused({ devices: [foreign.json.id] }, ['/devices/0'], 'invalid_reference');
});

test('groups and users are named by their ids and shown whole; a policy loses those that are deleted', async (t) => {
  const { app, make } = await start(t);
  const [staff, anna] = [await make.group('Staff'), await make.user('anna@example.com')];
  const made = await make.policy('p', { groups: [staff.id], users: [anna.id] });
  const { id, createdAt, updatedAt, name, maxDevices, isSamlDefaultGroup, idpMapping } = staff;
  assert.deepEqual(made.groups, [{ id, createdAt, updatedAt, name, maxDevices, isSamlDefaultGroup, idpMapping }]);
  const [user] = made.users;
  assert.deepEqual(
    [user.id, user.email, user.status, user.isOwner, user.maxDevices],
    [anna.id, 'anna@example.com', 'INVITED', false, 5],
  );
  assert.deepEqual(await read(app, made.id), made);
  for (const url of [`/tenants/users/${anna.id}`, `/tenants/groups/${staff.id}`])
    assert.equal((await app.request('DELETE', url)).status, 204);
  const { groups, users, allUsers, allGroups } = await read(app, made.id);
  assert.deepEqual([groups, users, allUsers, allGroups], [[], [], false, false], 'nobody, not everybody');
});

test('a deny takes the built-in rule only', async (t) => {
  const { app, make, rule } = await start(t);
  const { id: custom } = await make.rule('Office hours', "time.between('08:00', '18:00')", { hasTimeConstraint: true });
  const body = { name: 'x', action: false, type: 'PRIVATE', rule: custom };
  await assertRefused(app, ['POST', path, { body }], 400, 'rule_not_allowed', ['/rule']);
  const allow = await make.policy('allow', { rule: custom });
  assert.deepEqual([allow.rule.name, allow.rule.hasTimeConstraint], ['Office hours', true]);
  const change = { name: 'x', action: false, rule: custom };
  await assertRefused(app, ['PATCH', `${path}/${allow.id}`, { body: change }], 400, 'rule_not_allowed', ['/rule']);
  assert.equal((await make.policy('deny', { action: false, rule: rule.id })).action, false);
});

test('PATCH: an absent list stays, an empty one clears, and what was read can be written back', async (t) => {
  const { app, make, resource, device, rule } = await start(t);
  const second = await make.device('phone');
  const made = await make.policy('p', {
    description: 'd',
    devices: [second.id, device.id],
    resources: [resource.id],
    allUsers: true,
  });
  const patch = (body: object, headers = {}) => app.request('PATCH', `${path}/${made.id}`, { body, headers });
  const before = await revisionOf(app);
  const same = await patch(made);
  assert.equal(same.status, 200, same.text);
  assert.deepEqual(same.json, made);
  assert.equal(await revisionOf(app), before);

  app.clock.now += 1000;
  const required = { name: 'q', action: false, rule: rule.id };
  const kept = (await patch(required)).json;
  assert.deepEqual(names(kept.devices), ['phone', 'laptop']);
  assert.deepEqual(names(kept.resources), ['server']);
  assert.deepEqual([kept.name, kept.action, kept.description, kept.allUsers], ['q', false, 'd', false]);
  assert.notEqual(kept.updatedAt, made.updatedAt);

  const cleared = (await patch({ ...required, devices: [], resources: null, description: null })).json;
  assert.deepEqual([cleared.devices, cleared.resources, 'description' in cleared], [[], [], false]);
  assert.deepEqual([cleared.allDevices, cleared.allResources], [false, false], 'nothing is not everything');

  assert.deepEqual(names((await patch({ ...required, devices: [device.id] })).json.devices), ['laptop']);
  const url = `${path}/${made.id}`;
  await assertRefused(app, ['PATCH', url, { body: { ...required, devices: [missing] } }], 400, 'invalid_reference', [
    '/devices/0',
  ]);
  await assertRefused(app, ['PATCH', url, { body: { name: 'x' } }], 400, 'invalid_request', ['/action', '/rule']);
  await assertRefused(
    app,
    ['PATCH', url, { body: required, headers: { 'if-match': '"1"' } }],
    412,
    'precondition_failed',
  );
  await assertRefused(app, ['PATCH', `${path}/${missing}`, { body: required }], 404, 'not_found');
  await assertRefused(app, ['PATCH', url, { body: required, key: app.other.key }], 404, 'not_found');
});

test('policies are put in order by the complete list of their type', async (t) => {
  const { app, make } = await start(t);
  const [a, b, c] = [await make.policy('a'), await make.policy('b'), await make.policy('c')];
  const saas = await make.policy('s', { type: 'SAAS' });
  const reorder = (policies: string[], type = 'PRIVATE') =>
    ['PATCH', `${path}/reorder`, { body: { type, policies } }] as ['PATCH', string, object];
  const done = await app.request(...reorder([c.id, a.id.toUpperCase(), b.id]));
  assert.equal(done.status, 200, done.text);
  assert.deepEqual(
    done.json.map(({ name, order }: Named & { order: number }) => [name, order]),
    [
      ['c', 1],
      ['a', 2],
      ['b', 3],
    ],
  );
  const before = await revisionOf(app);
  assert.equal((await app.request(...reorder([c.id, a.id, b.id]))).status, 200);
  assert.equal(await revisionOf(app), before, 'the same order is no change');
  const plan = await app.request('PATCH', `${path}/reorder?dry-run=true`, reorder([c.id, b.id, a.id])[2]);
  assert.deepEqual(names(plan.json.changes), ['b', 'a']);

  await assertRefused(app, reorder([a.id, b.id]), 400, 'invalid_request', ['/policies']);
  await assertRefused(app, reorder([a.id, b.id, c.id, c.id]), 400, 'invalid_request', ['/policies/3']);
  await assertRefused(app, reorder([a.id, saas.id, b.id, c.id]), 400, 'invalid_reference', ['/policies/1']);
  await assertRefused(app, reorder([a.id, missing, b.id]), 400, 'invalid_reference', ['/policies/1']);
  const [standard] = (await app.request('GET', path)).json;
  await assertRefused(app, reorder([standard.id], 'INTERNET'), 409, 'built_in');
  assert.deepEqual(names((await app.request(...reorder([], 'INTERNET'))).json), ['Default internet policy']);

  assert.equal((await app.request('DELETE', `${path}/${a.id}`)).status, 204);
  assert.equal((await make.policy('d')).order, 4, 'the last place, whatever gaps there are');
});

test('a policy is deleted; the default one stays as it is', async (t) => {
  const { app, make } = await start(t);
  const { id } = await make.policy('p');
  const plan = await app.request('DELETE', `${path}/${id}?dry-run=true`);
  assert.deepEqual(plan.json.changes, [{ action: 'delete', kind: 'policy', id, name: 'p' }]);
  await assertRefused(app, ['DELETE', `${path}/${id}`, { key: app.other.key }], 404, 'not_found');
  assert.equal((await app.request('DELETE', `${path}/${id}`)).status, 204);
  await assertRefused(app, ['GET', `${path}/${id}`], 404, 'not_found');
  const [standard] = (await app.request('GET', path)).json;
  assert.equal(standard.isDefault, true);
  await assertRefused(app, ['DELETE', `${path}/${standard.id}`], 409, 'built_in');
  const url = `${path}/${standard.id}`;
  const same = await app.request('PATCH', url, { body: standard });
  assert.deepEqual([same.status, same.json], [200, standard], 'written back as it was');
});

test('a dry run tells who would gain and lose what, and writes nothing', async (t) => {
  const { app, make, resource, device } = await start(t);
  const { id: gateway } = await make.gateway('Berlin');
  await make.attach(resource.id, [gateway]);
  const body = { name: 'p', action: true, type: 'PRIVATE', devices: [device.id], resources: [resource.id] };
  const before = await revisionOf(app);
  const plan = await app.request('POST', `${path}?dry-run=true`, { body });
  assert.equal(plan.status, 200, plan.text);
  assert.deepEqual([plan.json.gained, plan.json.lost], [1, 0]);
  assert.deepEqual(plan.json.samples, [{ change: 'gained', device: device.id, resource: resource.id }]);
  assert.equal(await revisionOf(app), before);
  const { id } = await make.policy('p', body as object);
  const cut = await app.request('DELETE', `${path}/${id}?dry-run=true`);
  assert.deepEqual([cut.json.gained, cut.json.lost], [0, 1]);
  const last = await app.request('DELETE', `/tenants/addresses/${resource.addresses[0].id}?dry-run=true`);
  assert.deepEqual([last.json.gained, last.json.lost], [0, 1]);
});

test('every change of a policy is in the audit trail with what it was and is', async (t) => {
  const { app, make, device, rule } = await start(t);
  const { id } = await make.policy('p', { devices: [device.id] });
  await app.request('PATCH', `${path}/${id}`, { body: { name: 'q', action: true, rule: rule.id, devices: [] } });
  await app.request('DELETE', `${path}/${id}`);
  const events = await app.store.db.selectFrom('audit_events').selectAll().where('object_id', '=', id).execute();
  const parsed = events.map(({ action, before, after }) => ({
    action,
    before: JSON.parse(before ?? 'null'),
    after: JSON.parse(after ?? 'null'),
  }));
  assert.deepEqual(
    parsed.map(({ action }) => action),
    ['createPolicy', 'updatePolicy', 'deletePolicy'],
  );
  const [created, updated, deleted] = parsed;
  assert.equal(created?.before, null);
  assert.deepEqual([updated?.before.devices, updated?.after.devices], [[device.id], []]);
  assert.equal(encodeJson(created?.after), encodeJson(updated?.before));
  assert.deepEqual([deleted?.before.name, deleted?.after], ['q', null]);
});

test('thousands of members are kept in order', async (t) => {
  const { app, make } = await start(t);
  const ids: string[] = [];
  const rows = Array.from({ length: 1200 }, (_, i) => {
    const id = `00000000-0000-4000-8000-${String(i * 7919).padStart(12, '0')}`;
    ids.push(id);
    return {
      id,
      tenant_id: app.tenant.id,
      created_at: i,
      updated_at: i,
      version: 1,
      name: `d${i}`,
      active: 1,
      user_id: null,
      hardware_id: 'h',
      public_key: publicKeyOf(String(i)),
      app_version: null,
      posture: null,
      last_connection: null,
      overlay_v4: `100.65.${i >> 8}.${i & 255}`,
      overlay_v6: `fd00::${i.toString(16)}`,
    };
  });
  for (let at = 0; at < rows.length; at += 300)
    await app.store.db
      .insertInto('devices')
      .values(rows.slice(at, at + 300))
      .execute();
  ids.reverse();
  const made = await make.policy('many', { devices: ids });
  assert.deepEqual(
    made.devices.map(({ id }: Named) => id),
    ids,
  );
});
