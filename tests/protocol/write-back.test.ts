import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Operation, operations } from '@sallyport/contract';
import { bringUp, openSmallWorld, revisionOf, type SmallWorld } from './small-world.ts';

/** Every optional field has a value, and every list has members. */
async function furnishWhole(small: SmallWorld): Promise<void> {
  const { world, tenant, path, resource, policy, device, gateway } = small;
  await bringUp(small);
  const rich = { name: 'gateway', wireguardPort: '51820', description: 'In Berlin', endpoint: 'gw.example.com:1' };
  await world.ok(tenant, 'PATCH', path, rich);
  const [protocol, other] = await world.ok(tenant, 'GET', '/tenants/protocols');
  const addresses = ['10.1.2.3', '10.2.0.0/16', 'fd00::/64'].map((address) => ({
    address,
    protocols: [protocol.id, other.id],
  }));
  await world.ok(tenant, 'PUT', `/tenants/resources/${resource.id}`, { name: 'web', description: 'x', addresses });
  const [rule] = await world.ok(tenant, 'GET', '/tenants/admission-rules');
  const body = {
    name: 'allow',
    description: 'x',
    action: true,
    rule: rule.id,
    devices: [device.id],
    resources: [resource.id],
  };
  await world.ok(tenant, 'PATCH', `/tenants/policies/${policy.id}`, body);
  await world.ok(tenant, 'POST', '/tenants/policies', { ...body, type: 'PRIVATE', action: false, rule: null });
  await world.ok(tenant, 'PUT', `/tenants/resources/${resource.id}/load-balancing`, {
    loadBalancingMode: 'AUTOMATIC',
    gateways: [gateway.id],
  });
  const group = await world.ok(tenant, 'POST', '/tenants/groups', {
    name: 'Team',
    description: 'x',
    roles: [],
    maxDevices: 7,
  });
  const user = await world.ok(tenant, 'POST', '/tenants/users', { email: 'jane@example.com', groups: [group.id] });
  const profile = { firstName: 'Jane', department: 'Sales', attributes: { floor: 3, teams: ['a'] }, maxDevices: 2 };
  await world.ok(tenant, 'PUT', `/tenants/users/${user.id}`, profile);
  const owned = { name: 'laptop', user: user.id, posture: { diskEncrypted: true }, appVersion: '1.2.3' };
  await world.ok(tenant, 'PATCH', `/tenants/devices/${device.id}`, owned);
  const office = {
    name: 'Office',
    rule: "user.department == 'Sales'",
    hasTimeConstraint: false,
    timeZone: 'Europe/Zurich',
  };
  await world.ok(tenant, 'POST', '/tenants/admission-rules', office);
  const sso = { name: 'SSO', label: 'Acme', issuer: 'https://id.example.com', clientId: 'x', clientSecret: 'y' };
  const limits = { emailDomains: ['example.com'], hostedDomains: ['example.com'], entraTenants: [group.id] };
  const groups = { groupsClaim: 'groups', requiredGroup: 'staff', groupMapping: [{ value: 'staff', group: group.id }] };
  await world.ok(tenant, 'POST', '/tenants/sign-in-providers', { ...sso, ...limits, ...groups, provisioning: true });
  // Reports of agents are complete by now.
  await world.run(30_000);
}

/** Writes the answer of GET back to the same path. */
async function isNoChange({ world, tenant }: SmallWorld, method: 'PUT' | 'PATCH', path: string): Promise<void> {
  const read = await world.request(tenant, 'GET', path);
  assert.equal(read.status, 200, path);
  const revision = await revisionOf(world, tenant);
  const plan = await world.request(tenant, method, `${path}?dry-run=true`, read.json);
  assert.deepEqual([plan.status, plan.json.changes], [200, []], `${path}: ${plan.text}`);
  const written = await world.request(tenant, method, path, read.json, { 'if-match': read.etag ?? '*' });
  assert.equal(written.status, 200, `${path}: ${written.text}`);
  assert.equal(read.etag !== undefined, read.json.updatedAt !== undefined, `${path}: an ETag where there are versions`);
  const { json, etag } = await world.request(tenant, 'GET', path);
  assert.deepEqual([written.etag, etag], [read.etag, read.etag], path);
  assert.equal(json.updatedAt, read.json.updatedAt);
  assert.equal(await revisionOf(world, tenant), revision, `${path}: a revision was taken`);
}

const families = {
  '/tenants/gateways/{id}': '/tenants/gateways',
  '/tenants/addresses/{id}': '/tenants/addresses',
  '/tenants/resources/{id}': '/tenants/resources',
  '/tenants/policies/{id}': '/tenants/policies',
  '/tenants/devices/{id}': '/tenants/devices',
  '/tenants/users/{id}': '/tenants/users',
  '/tenants/groups/{id}': '/tenants/groups',
  '/tenants/admission-rules/{id}': '/tenants/admission-rules',
  '/tenants/sign-in-providers/{id}': '/tenants/sign-in-providers',
} as const;

for (const [path, list] of Object.entries(families)) {
  test(`every object of ${list} can be written back whole: no new revision, the same ETag`, async (t) => {
    const small = await openSmallWorld(t);
    await furnishWhole(small);
    const update = Object.values<Operation>(operations).find((o) => o.path === path && o.body !== undefined);
    const listed = await small.world.ok(small.tenant, 'GET', list);
    const all: { id: string; type?: string }[] = listed.data ?? listed;
    // The built-in rule accepts no update.
    const objects = all.filter(({ type }) => list !== '/tenants/admission-rules' || type === 'CUSTOM');
    assert.ok(objects.length > 0);
    for (const { id } of objects) await isNoChange(small, update?.method as 'PUT' | 'PATCH', path.replace('{id}', id));
  });
}

test('every update of a whole object is covered', () => {
  // A person renames an own device with a body of its own: nothing of it is written back.
  // The topics of a live stream are no object that is read.
  const whole = Object.values<Operation>(operations)
    .filter((operation) => operation !== operations.setLiveTopics)
    .filter(({ right }) => right !== null && right !== 'self')
    .filter(({ method, path, body }) => body !== undefined && /^(PUT|PATCH)$/.test(method) && path.endsWith('{id}'))
    .map(({ path }) => path);
  assert.deepEqual(whole.sort(), Object.keys(families).sort());
});

test('setting the current order again changes nothing: load balancing, policies, relay', async (t) => {
  const small = await openSmallWorld(t);
  await furnishWhole(small);
  const { world, tenant, resource, gateway, path } = small;
  const policies: { id: string; isDefault: boolean }[] = await world.ok(tenant, 'GET', '/tenants/policies');
  const own = policies.filter(({ isDefault }) => !isDefault).map(({ id }) => id);
  const loadBalancing = { loadBalancingMode: 'AUTOMATIC', gateways: [gateway.id] };
  const revision = await revisionOf(world, tenant);
  await world.ok(tenant, 'PUT', `/tenants/resources/${resource.id}/load-balancing`, loadBalancing);
  await world.ok(tenant, 'PATCH', '/tenants/policies/reorder', { type: 'PRIVATE', policies: own });
  await world.ok(tenant, 'POST', `${path}/disable-relay`);
  await world.ok(tenant, 'POST', `/tenants/devices/${small.device.id}/reactivate`);
  assert.equal(await revisionOf(world, tenant), revision);
});
