import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { makers, publicKeyOf } from '../../testing/api.ts';
import { openTestApp, type TestApp } from '../../testing/harness.ts';
import { readUser } from '../../testing/people.ts';

const path = '/tenants/users';

/** A device of Jane's, whose group reaches a server. */
async function start(t: TestContext) {
  const app = await openTestApp(t);
  const make = makers(app);
  const gateway = await make.gateway('gw');
  const protocol = await make.protocol('443');
  const resource = await make.resource('server', [{ address: '10.1.0.1', protocols: [protocol.id] }]);
  await make.attach(resource.id, [gateway.id]);
  const group = await make.group('staff');
  const user = await make.user('jane@example.com', [group.id]);
  await make.policy('staff', { groups: [group.id], resources: [resource.id] });
  const body = { name: 'laptop', publicKey: publicKeyOf('jane'), user: user.id };
  const device = await app.request('POST', '/tenants/devices', { body });
  assert.equal(device.status, 201, device.text);
  return { app, make, group, user, resource, device: device.json };
}

async function effect(app: TestApp, ...[method, url, options]: Parameters<TestApp['request']>) {
  const { status, json, text } = await app.request(method, `${url}?dry-run=true`, options);
  assert.equal(status, 200, text);
  return { gained: json.gained, lost: json.lost };
}

test('a dry run reports every loss of a user’s access', async (t) => {
  const { app, make, group, user } = await start(t);
  const other = await make.group('other');
  const none = { gained: 0, lost: 0 };
  const lost = { gained: 0, lost: 1 };
  const body = { firstName: 'Jane' };
  assert.deepEqual(await effect(app, 'PUT', `${path}/${user.id}`, { body }), none);
  assert.deepEqual(await effect(app, 'PATCH', `${path}/${user.id}/deactivate`), lost);
  assert.deepEqual(await effect(app, 'DELETE', `${path}/${user.id}`), lost);
  assert.deepEqual(await effect(app, 'DELETE', `/tenants/groups/${group.id}`), lost);
  const join = { body: { groupId: other.id } };
  assert.deepEqual(await effect(app, 'POST', `${path}/${user.id}/groups`, join), none);
  await app.request('POST', `${path}/${user.id}/groups`, join);
  assert.deepEqual(await effect(app, 'DELETE', `${path}/${user.id}/groups/${other.id}`), none);
  assert.deepEqual(await effect(app, 'DELETE', `${path}/${user.id}/groups/${group.id}`), lost);
  await app.request('DELETE', `${path}/${user.id}/groups/${group.id}`);
  const back = { body: { groupId: group.id } };
  assert.deepEqual(await effect(app, 'POST', `${path}/${user.id}/groups`, back), { gained: 1, lost: 0 });
});

test('a device of an invited user accepts the invitation; deactivating and reactivating decide the status afterwards', async (t) => {
  const { app, group, user, device } = await start(t);
  const invited = await readUser(app, user.id);
  assert.deepEqual([invited.status, invited.devices.map(({ id }: { id: string }) => id)], ['ACTIVE', [device.id]]);
  await app.request('PATCH', `${path}/${user.id}/deactivate`);
  const none = { gained: 0, lost: 0 };
  assert.deepEqual(await effect(app, 'DELETE', `/tenants/groups/${group.id}`), none, 'nothing is left to lose');
  await app.request('POST', `${path}/${user.id}/reactivate`);
  assert.deepEqual(await effect(app, 'DELETE', `/tenants/groups/${group.id}`), { gained: 0, lost: 1 });
});

test('a change of a user’s facts re-evaluates the rules that depend on them', async (t) => {
  const { app, make, group, user, resource } = await start(t);
  await app.request('PUT', `${path}/${user.id}`, { body: { department: 'Engineering' } });
  const rule = await make.rule('engineers', "user.department == 'Engineering' && 'staff' in groups");
  const [policy] = (await app.request('GET', '/tenants/policies')).json.filter(
    (p: { name: string }) => p.name === 'staff',
  );
  const flags = { allGroups: false, allUsers: false, allDevices: false, allResources: false };
  const body = { name: 'staff', action: true, ...flags, groups: [group.id], resources: [resource.id], rule: rule.id };
  const changed = await app.request('PATCH', `/tenants/policies/${policy.id}`, { body });
  assert.equal(changed.status, 200, changed.text);
  const department = { body: { department: 'Sales' } };
  assert.deepEqual(await effect(app, 'PUT', `${path}/${user.id}`, department), { gained: 0, lost: 1 });
  const renamed = { body: { name: 'crew', roles: [] } };
  assert.deepEqual(await effect(app, 'PUT', `/tenants/groups/${group.id}`, renamed), { gained: 0, lost: 1 });
});
