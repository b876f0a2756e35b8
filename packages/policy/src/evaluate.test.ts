import assert from 'node:assert/strict';
import { test } from 'node:test';
import { evaluate } from './evaluate.ts';
import { address, device, gateway, policy, resource, rule, tcp, user, worldOf } from './testing/build.ts';
import type { AccessQuery, Decision } from './types.ts';
import type { World } from './world.ts';

const everybody = { allDevices: true, allResources: true };

type DeviceQuery = AccessQuery & { device: string };

function ask(world: World, given: Partial<DeviceQuery> = {}): Decision {
  return evaluate(world, { device: 'd1', destination: '10.0.0.1', protocol: 'tcp', port: 443, at: 0, ...given });
}

const outcomes = (decision: Decision) => decision.steps.map((step) => `${step.policy} ${step.outcome}`);

test('access is denied when no policy matches', () => {
  const decision = ask(worldOf({ resources: [resource('r', ['10.0.0.1'])] }));
  assert.deepEqual(decision, {
    allowed: false,
    policy: null,
    reason: 'no policy allows it',
    validUntil: null,
    steps: [],
  });
});

test('the first policy whose source and destination match decides', () => {
  const resources = [resource('r', ['10.0.0.1'])];
  const deny = (order: number) => policy('deny', order, { ...everybody, allow: false });
  const allow = (order: number) => policy('allow', order, everybody);
  const denied = ask(worldOf({ resources, policies: [allow(2), deny(1)] }));
  assert.deepEqual([denied.allowed, denied.policy, outcomes(denied)], [false, 'deny', ['deny denied']]);
  const allowed = ask(worldOf({ resources, policies: [allow(1), deny(2)] }));
  assert.deepEqual([allowed.allowed, allowed.policy, outcomes(allowed)], [true, 'allow', ['allow allowed']]);
});

test('reordering an allow for users and a deny for a device lets the device in or keeps it out', () => {
  const objects = { devices: [device('d1', { user: 'u' })], resources: [resource('r', ['10.0.0.1'])] };
  const policies = (allowOrder: number, denyOrder: number) => [
    policy('users', allowOrder, { users: ['u'], allResources: true }),
    policy('device', denyOrder, { devices: ['d1'], allResources: true, allow: false }),
  ];
  assert.equal(ask(worldOf({ ...objects, policies: policies(1, 2) })).allowed, true);
  assert.equal(ask(worldOf({ ...objects, policies: policies(2, 1) })).allowed, false);
});

test('an allow whose admission rule is not met is skipped, and later policies are evaluated', () => {
  const resources = [resource('r', ['10.0.0.1'])];
  const restricted = policy('restricted', 1, { ...everybody, rule: 'never' });
  const rules = [rule('never', 'false')];
  assert.equal(ask(worldOf({ resources, rules, policies: [restricted] })).allowed, false);
  const decision = ask(worldOf({ resources, rules, policies: [restricted, policy('next', 2, everybody)] }));
  assert.deepEqual(outcomes(decision), ['restricted skipped', 'next allowed']);
});

test('a deny is unconditional, whatever its rule', () => {
  const deny = policy('deny', 1, { ...everybody, allow: false, rule: 'gone' });
  const world = worldOf({ resources: [resource('r', ['10.0.0.1'])], policies: [deny, policy('allow', 2, everybody)] });
  assert.deepEqual(outcomes(ask(world)), ['deny denied']);
});

test('the source lists are a union, and an all flag overrides its list', () => {
  const reaches = (given: Parameters<typeof policy>[2], owner: string | null) =>
    ask(
      worldOf({
        devices: [device('d1', { user: owner })],
        resources: [resource('r', ['10.0.0.1'])],
        users: [user('u', { groups: ['g'] })],
        groups: [{ id: 'g', name: 'Group' }],
        policies: [policy('p', 1, { allResources: true, ...given })],
      }),
    ).allowed;
  assert.equal(reaches({ users: ['u'], devices: ['other'] }, 'u'), true);
  assert.equal(reaches({ users: ['other'], devices: ['d1'] }, 'u'), true);
  assert.equal(reaches({ users: ['other'], devices: ['other'] }, 'u'), false);
  assert.equal(reaches({ allUsers: true, users: ['other'] }, 'u'), true);
  assert.equal(reaches({ allGroups: true }, 'u'), true);
  assert.equal(reaches({ groups: ['g'] }, 'u'), true);
  assert.equal(reaches({ groups: ['other'] }, 'u'), false);
  assert.equal(reaches({ allDevices: true, devices: ['other'] }, null), true);
});

test('a policy for a user applies to all devices of the user; only devices and allDevices name a device without user', () => {
  const world = worldOf({
    devices: [device('d1', { user: 'u' }), device('d2', { user: 'u' }), device('nobody')],
    resources: [resource('r', ['10.0.0.1'])],
    policies: [
      policy('p', 1, { users: ['u'], allResources: true }),
      policy('q', 2, { allUsers: true, allGroups: true }),
    ],
  });
  assert.deepEqual(
    ['d1', 'd2', 'nobody'].map((id) => ask(world, { device: id }).allowed),
    [true, true, false],
  );
});

test('an empty list never means all', () => {
  const resources = [resource('r', ['10.0.0.1'])];
  assert.equal(ask(worldOf({ resources, policies: [policy('p', 1, { allResources: true })] })).allowed, false);
  assert.equal(ask(worldOf({ resources, policies: [policy('p', 1, { allDevices: true })] })).allowed, false);
});

test('a deny without sources applies to no device', () => {
  const deny = policy('deny', 1, { allow: false, allResources: true });
  const world = worldOf({ resources: [resource('r', ['10.0.0.1'])], policies: [deny, policy('allow', 2, everybody)] });
  assert.equal(ask(world).allowed, true);
});

test('each type has its own list: PRIVATE is evaluated before SAAS and names only its own resources', () => {
  const resources = [resource('p', ['10.0.0.0/24']), resource('s', ['10.0.0.1', '10.1.0.1'], { type: 'SAAS' })];
  const saasDeny = policy('saas', 1, { ...everybody, type: 'SAAS', allow: false });
  const world = worldOf({ resources, policies: [saasDeny, policy('private', 9, everybody)] });
  assert.equal(ask(world).policy, 'private');
  assert.equal(ask(world, { destination: '10.1.0.1' }).policy, 'saas');
  const listed = policy('listed', 1, { allDevices: true, resources: ['s'] });
  assert.equal(ask(worldOf({ resources, policies: [listed] })).allowed, false);
});

test('an address matches by prefix, protocol and port', () => {
  const resources = [resource('r', [address('10.0.0.0/30', [tcp(443), tcp(8000, 8100)]), address('fd00::/64')])];
  const world = worldOf({ resources, policies: [policy('p', 1, everybody)] });
  const reaches = (given: Partial<DeviceQuery>) => ask(world, given).allowed;
  assert.equal(reaches({ destination: '10.0.0.3' }), true);
  assert.equal(reaches({ destination: '10.0.0.4' }), false);
  assert.equal(reaches({ port: 8100 }), true);
  assert.equal(reaches({ port: 8101 }), false);
  assert.equal(reaches({ protocol: 'udp' }), false);
  assert.equal(reaches({ protocol: 'icmp' }), false);
  assert.equal(reaches({ destination: 'fd00::5', protocol: 'icmp' }), true);
  assert.equal(reaches({ destination: 'fd00::5', protocol: 'other' }), true);
});

test('no resource matches overlay, loopback, link-local, multicast, unspecified or broadcast addresses', () => {
  const resources = [resource('r', ['0.0.0.0/0', '::/0'])];
  const world = worldOf({ resources, policies: [policy('p', 1, everybody)] });
  for (const destination of ['100.64.0.1', '127.0.0.1', '169.254.1.1', '224.0.0.1', '0.0.0.0', '255.255.255.255'])
    assert.match(refusal(ask(world, { destination })), /where no resource can be/, destination);
  for (const destination of ['fd50:1::1', '::1', 'fe80::1', 'ff02::1', '::', '::ffff:127.0.0.1'])
    assert.match(refusal(ask(world, { destination })), /where no resource can be/, destination);
  for (const destination of ['100.128.0.1', '8.8.8.8', 'fd50:2::1'])
    assert.equal(ask(world, { destination }).allowed, true);
});

test('an allow of a resource without a gateway is skipped, and later policies are evaluated', () => {
  const resources = [resource('bare', ['10.0.0.1'], { gateways: [] }), resource('r', ['10.0.0.0/24'])];
  const policies = [
    policy('p', 1, { allDevices: true, resources: ['bare'] }),
    policy('q', 2, { allDevices: true, resources: ['r'] }),
  ];
  const decision = ask(worldOf({ resources, policies }));
  assert.deepEqual(outcomes(decision), ['p no-match', 'q allowed']);
  assert.match(decision.steps[0]?.reason ?? '', /no gateway/);
});

test('a deny counts even for a resource without a gateway', () => {
  const resources = [resource('bare', ['10.0.0.1'], { gateways: [] }), resource('r', ['10.0.0.0/24'])];
  const deny = policy('deny', 1, { allDevices: true, resources: ['bare'], allow: false });
  const world = worldOf({ resources, policies: [deny, policy('allow', 2, everybody)] });
  assert.equal(ask(world).allowed, false);
  assert.equal(ask(world, { destination: '10.0.0.2' }).allowed, true);
});

test('a query through a gateway is allowed only for resources attached to it', () => {
  const world = worldOf({
    gateways: [gateway('g1'), gateway('g2')],
    resources: [resource('r', ['10.0.0.1'], { gateways: ['g2'] })],
    policies: [policy('p', 1, everybody)],
  });
  assert.equal(ask(world, { gateway: 'g2' }).allowed, true);
  assert.match(ask(world, { gateway: 'g1' }).steps[0]?.reason ?? '', /not attached to this gateway/);
  assert.equal(refusal(ask(world, { gateway: 'gone' })), 'unknown gateway');
});

test('a gateway in MAINTENANCE carries as the last choice; a gateway that is OFFLINE does not', () => {
  const world = worldOf({
    gateways: [gateway('g1', { intent: 'MAINTENANCE' }), gateway('g2'), gateway('g3', { intent: 'OFFLINE' })],
    resources: [resource('r', ['10.0.0.1'], { gateways: ['g3', 'g1', 'g2'] })],
    policies: [policy('p', 1, everybody)],
  });
  const decision = ask(world);
  assert.deepEqual(decision.allowed && decision.gateways, ['g2', 'g1']);
  assert.deepEqual(decision.allowed && decision.resources, ['r']);
  assert.equal(ask(world, { gateway: 'g1' }).allowed, true);
  assert.equal(refusal(ask(world, { gateway: 'g3' })), 'the gateway is set to OFFLINE');
});

test('an unknown or deactivated device is denied', () => {
  const objects = { resources: [resource('r', ['10.0.0.1'])], policies: [policy('p', 1, everybody)] };
  assert.equal(refusal(ask(worldOf(objects), { device: 'gone' })), 'unknown device');
  const world = worldOf({ ...objects, devices: [device('d1', { active: false })] });
  assert.equal(refusal(ask(world)), 'the device is deactivated');
});

test('a query whose destination is not an IP address is denied', () => {
  assert.equal(refusal(ask(worldOf({}), { destination: 'example.com' })), 'the destination is not an IP address');
});

function refusal(decision: Decision): string {
  assert.equal(decision.allowed, false);
  return decision.allowed ? '' : decision.reason;
}
