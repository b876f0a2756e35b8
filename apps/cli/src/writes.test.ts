import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { moved } from './commands/policy-order.ts';
import { changedAddresses, parseAddressSpecs } from './commands/resource-addresses.ts';
import { type ApiServer, problem, startApi } from './testing/api-server.ts';
import { policy, resource, uuid } from './testing/fixtures.ts';
import { sally } from './testing/run.ts';

const lastWrite = (api: ApiServer) => api.seen.filter(({ method }) => method !== 'GET').at(-1);

test('an update of a gateway sends required and changed fields with If-Match', async (t) => {
  const api = await startApi(t);
  await sally(api, ['gateways', 'update', 'berlin', '--endpoint', '', '--masquerade', 'off']);
  assert.deepEqual(lastWrite(api)?.body, { name: 'berlin', wireguardPort: '51820', endpoint: null, masquerade: false });
  assert.equal(lastWrite(api)?.headers['if-match'], '"7"');
});

test('resolvers of a gateway are set in words, and an empty text brings back those of its host', async (t) => {
  const api = await startApi(t);
  const two = ['--dns-server', '10.0.0.53', '--dns-server', '[fd00::53]:5353 corp.example lab.example'];
  await sally(api, ['gateways', 'update', 'berlin', ...two]);
  assert.deepEqual(lastWrite(api)?.body, {
    ...{ name: 'berlin', wireguardPort: '51820' },
    dnsServers: [
      { address: '10.0.0.53' },
      { address: 'fd00::53', port: 5353, domains: ['corp.example', 'lab.example'] },
    ],
  });
  await sally(api, ['gateways', 'update', 'berlin', '--dns-server', '']);
  assert.deepEqual(lastWrite(api)?.body, { name: 'berlin', wireguardPort: '51820', dnsServers: null });
});

test('--if-match replaces the entity tag that was read', async (t) => {
  const api = await startApi(t);
  await sally(api, ['gateways', 'update', 'berlin', '--port', '1', '--if-match', '3']);
  assert.equal(lastWrite(api)?.headers['if-match'], '"3"');
  await sally(api, ['gateways', 'delete', 'berlin', '--if-match', '*']);
  assert.equal(lastWrite(api)?.headers['if-match'], '*');
});

test('activate, maintenance and offline set the intent', async (t) => {
  const api = await startApi(t);
  for (const [verb, intent] of [
    ['activate', 'ACTIVE'],
    ['maintenance', 'MAINTENANCE'],
    ['offline', 'OFFLINE'],
  ] as const) {
    assert.equal((await sally(api, ['gateway', verb, 'berlin'])).code, 0);
    assert.deepEqual(lastWrite(api)?.body, { name: 'berlin', wireguardPort: '51820', intent });
  }
});

test('an update of a resource keeps unnamed addresses', async (t) => {
  const api = await startApi(t);
  await sally(api, ['resources', 'update', 'intranet', '--add-address', '10.0.0.6=SSH', '--description', 'new']);
  assert.deepEqual(lastWrite(api)?.body, {
    name: 'intranet',
    description: 'new',
    addresses: [
      { address: '10.0.0.5', protocols: [uuid(21)] },
      { address: '10.0.0.6', protocols: [uuid(22)] },
    ],
  });
  const gone = await sally(api, ['resources', 'update', 'intranet', '--remove-address', '10.0.0.5']);
  assert.deepEqual([gone.code, /needs an address/.test(gone.err)], [2, true]);
});

test('a resource is created, then its gateways are attached in order', async (t) => {
  const api = await startApi(t);
  const args = ['--address', '10.0.0.5=SSH,HTTPS', '--address', 'fd00::/64', '--protocol', 'https'];
  const outcome = await sally(api, [
    'resources',
    'create',
    'intranet',
    ...args,
    '--gateway',
    'paris',
    '--gateway',
    'berlin',
  ]);
  assert.equal(outcome.code, 0, outcome.err);
  const [create, attach] = api.seen.filter(({ method }) => method !== 'GET');
  assert.deepEqual(create?.body, {
    name: 'intranet',
    type: 'PRIVATE',
    addresses: [
      { address: '10.0.0.5', protocols: [uuid(22), uuid(21)] },
      { address: 'fd00::/64', protocols: [uuid(21)] },
    ],
  });
  assert.deepEqual(attach?.body, { loadBalancingMode: 'MANUAL', gateways: [uuid(12), uuid(11)] });
});

test('an unknown gateway fails before the resource is created', async (t) => {
  const api = await startApi(t);
  const outcome = await sally(api, ['resources', 'create', 'x', '--address', '10.0.0.5=SSH', '--gateway', 'rome']);
  assert.deepEqual([outcome.code, lastWrite(api)], [3, undefined]);
});

test('a failure to attach a new resource reports its id', async (t) => {
  const api = await startApi(t);
  api.replies.set('saveLoadBalancing', () => problem(409, 'in_use'));
  const outcome = await sally(api, ['resources', 'create', 'x', '--address', '10.0.0.5=SSH', '--gateway', 'berlin']);
  assert.equal(outcome.code, 5);
  assert.match(
    outcome.err,
    new RegExp(
      `created with the id ${uuid(41)}, but attaching its gateways failed[\\s\\S]*resources attach ${uuid(41)}`,
    ),
  );
});

test('attach appends to the attached gateways', async (t) => {
  const api = await startApi(t);
  const { gateways, ...rest } = resource(41, 'intranet');
  api.replies.set('getResource', () => ({ body: { ...rest, gateways: gateways.slice(1) }, headers: { etag: '"4"' } }));
  await sally(api, ['resources', 'attach', 'intranet', 'berlin', 'paris', '--mode', 'automatic']);
  assert.deepEqual(lastWrite(api)?.body, { loadBalancingMode: 'AUTOMATIC', gateways: [uuid(12), uuid(11)] });
  assert.equal(lastWrite(api)?.headers['if-match'], '"4"');
});

test('an update of an address keeps unnamed fields', async (t) => {
  const api = await startApi(t);
  await sally(api, ['addresses', 'update', '10.0.0.5', '--address', '10.0.0.9']);
  assert.deepEqual(lastWrite(api)?.body, { address: '10.0.0.9', protocols: [uuid(21)] });
});

test('an update of a policy keeps unnamed flags, rules and lists', async (t) => {
  const api = await startApi(t);
  api.replies.set('getPolicy', () => ({
    body: { ...policy(61, 'staff', 1), allUsers: true },
    headers: { etag: '"9"' },
  }));
  await sally(api, ['policies', 'update', 'staff', '--deny', '--add-resource', uuid(42), '--all-devices']);
  assert.deepEqual(lastWrite(api)?.body, {
    name: 'staff',
    action: false,
    rule: uuid(71),
    ...{ allGroups: false, allUsers: true, allDevices: true, allResources: false },
    resources: [uuid(41), uuid(42)],
  });
  assert.equal(lastWrite(api)?.headers['if-match'], '"9"');
  await sally(api, ['policies', 'update', 'staff', '--remove-device', 'anna', '--no-all-users', '--description', '']);
  const body = lastWrite(api)?.body as Record<string, unknown>;
  assert.deepEqual([body.devices, body.allUsers, body.description], [[], false, null]);
});

test('a new policy that can match nothing prints a note', async (t) => {
  const api = await startApi(t);
  const { devices: _, resources: __, ...bare } = policy(61, 'staff', 1);
  api.replies.set('createPolicy', () => ({ status: 201, body: bare }));
  const outcome = await sally(api, ['policies', 'create', 'staff', '--allow']);
  assert.deepEqual(lastWrite(api)?.body, { name: 'staff', type: 'PRIVATE', action: true });
  assert.match(outcome.err, /matches no device[\s\S]*covers no resource/);
});

test('move sends the complete new order of the type, without the default policy', async (t) => {
  const api = await startApi(t);
  api.replies.set('listPolicies', () => ({
    body: [policy(62, 'b', 2), policy(61, 'a', 1), policy(63, 'c', 3), { ...policy(64, 'd', 4), isDefault: true }],
  }));
  const order = async (...place: string[]) => {
    assert.equal((await sally(api, ['policies', 'move', ...place])).code, 0);
    const body = lastWrite(api)?.body as { policies: string[] } | undefined;
    return (body?.policies ?? []).map((id) => 'abc'[Number(id.slice(-1)) - 1]).join('');
  };
  assert.equal(await order('c', '--top'), 'cab');
  assert.equal(await order('a', '--bottom'), 'bca');
  assert.equal(await order('c', '--before', 'b'), 'acb');
  assert.equal(await order('a', '--after', 'b'), 'bac');
  assert.equal(await order('a', '--to', '2'), 'bac');
  assert.equal((await sally(api, ['policies', 'move', 'd', '--top'])).code, 2);
});

test('moving a policy keeps the others and puts it at the given position', () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.uuid(), { minLength: 2, maxLength: 8 }), fc.nat(), fc.nat(), (ids, a, b) => {
      const id = ids[a % ids.length] ?? '';
      const anchor = ids.filter((other) => other !== id)[b % (ids.length - 1)] ?? '';
      const result = moved(ids, id, { before: anchor }, anchor);
      assert.deepEqual(result.toSorted(), ids.toSorted());
      assert.equal(result.indexOf(anchor) - result.indexOf(id), 1);
    }),
  );
});

test('addresses compare equal in every spelling', () => {
  const before = [{ address: '2001:db8::1', protocols: ['a'] }];
  const added = [{ address: '2001:0db8:0::1', protocols: ['b'] }];
  assert.deepEqual(changedAddresses(before, added, []), added);
  assert.deepEqual(parseAddressSpecs(['fd00::/64=A, B', '10.0.0.1'], ['C']), [
    { address: 'fd00::/64', protocols: ['A', 'B'] },
    { address: '10.0.0.1', protocols: ['C'] },
  ]);
});
