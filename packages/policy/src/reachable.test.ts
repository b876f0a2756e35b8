import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ownAccessSteps } from './own-access.ts';
import { reachableSteps } from './reachable.ts';
import { device, gateway, policy, resource, rule, tcp, user, worldOf } from './testing/build.ts';

const at = Date.UTC(2026, 10, 23, 12);
const evening = Date.UTC(2026, 10, 23, 18);
const ports = (...open: number[]) => open.map((port) => tcp(port));
const world = worldOf({
  gateways: [gateway('g1'), gateway('g2')],
  users: [user('jane'), user('ben')],
  devices: [
    device('laptop', { user: 'jane' }),
    device('phone', { user: 'jane', active: false }),
    device('pc', { user: 'ben' }),
  ],
  rules: [rule('office', "time.between('08:00', '18:00')")],
  resources: [
    resource('wiki', ['10.0.0.0/24', '10.0.1.0/24'], { gateways: ['g1', 'g2'] }),
    resource('vault', ['10.0.0.7'], { gateways: ['g1'] }),
    resource('timed', ['10.2.0.1'], { gateways: ['g2'] }),
    resource('adrift', ['10.3.0.1'], { gateways: [] }),
  ].map((one) => ({ ...one, addresses: one.addresses.map((address) => ({ ...address, ports: ports(80, 443) })) })),
  policies: [
    policy('no vault', 1, { allow: false, users: ['jane'], resources: ['vault'] }),
    policy('wiki', 2, { users: ['jane'], resources: ['wiki', 'adrift'] }),
    policy('timed', 3, { users: ['jane'], resources: ['timed'], rule: 'office' }),
    policy('ben', 4, { users: ['ben'], resources: ['vault'] }),
  ],
});
const rows = (...devices: string[]) => [...reachableSteps(world, at, devices)].filter((row) => row !== null);
const all = ports(80, 443);

test('a device reaches what a policy opens on a gateway, each address with its ports, until a rule ends it', () => {
  const [wiki, timed, ...more] = rows('laptop').sort((a, b) => (a.resource > b.resource ? -1 : 1));
  const addresses = ['10.0.0.0/24', '10.0.1.0/24'].map((prefix) => ({ prefix, ports: all }));
  assert.deepEqual(wiki, { device: 'laptop', resource: 'wiki', addresses, validUntil: null });
  assert.deepEqual(timed, {
    device: 'laptop',
    resource: 'timed',
    addresses: [{ prefix: '10.2.0.1/32', ports: all }],
    validUntil: evening,
  });
  assert.deepEqual(more, []);
});

test('devices that are unknown or inactive reach nothing, and each device reaches its own', () => {
  assert.deepEqual(rows('phone', 'gone'), []);
  assert.deepEqual(
    rows('pc').map(({ resource: id }) => id),
    ['vault'],
  );
});

const ask = (destination: string, given: object = {}) => {
  const query = { device: 'laptop', destination, protocol: 'tcp', port: 443, at, ...given } as const;
  const answer = [...ownAccessSteps(world, query)].at(-1);
  assert.ok(answer);
  return answer;
};

test('an owner learns that access is allowed, by which resource, and until when', () => {
  const allowed = { allowed: true, reason: 'a policy allows it' };
  assert.deepEqual(ask('10.0.0.1'), { ...allowed, resources: ['wiki'], validUntil: null });
  assert.deepEqual(ask('10.2.0.1'), { ...allowed, resources: ['timed'], validUntil: evening });
});

test('a denial does not tell whether a resource is there', () => {
  const answers = [
    ask('10.0.0.7'),
    ask('10.0.0.1', { port: 22 }),
    ask('10.3.0.1'),
    ask('10.99.0.1'),
    ask('10.0.0.1', { device: 'pc' }),
  ];
  const denied = { allowed: false, reason: 'this device has no access to it', resources: [], validUntil: null };
  for (const answer of answers) assert.deepEqual(answer, denied);
});

test('a denial says what the owner can do something about', () => {
  assert.equal(ask('10.2.0.1', { at: evening }).reason, 'a condition of this access is not met now');
  assert.equal(ask('10.0.0.1', { device: 'phone' }).reason, 'the device is deactivated');
});
