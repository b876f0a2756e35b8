import assert from 'node:assert/strict';
import { test } from 'node:test';
import { evaluate } from './evaluate.ts';
import { type Suggestion, suggestSteps } from './suggest.ts';
import { address, device, gateway, policy, resource, rule, tcp, user, worldOf } from './testing/build.ts';
import type { World } from './world.ts';

const at = Date.UTC(2026, 10, 23, 19);
const query = { device: 'd1', destination: '10.0.0.1', protocol: 'tcp', port: 443, at } as const;
const base = {
  gateways: [gateway('g1')],
  devices: [device('d1', { user: 'u' })],
  users: [user('u')],
  groups: [{ id: 'staff', name: 'Staff' }],
  rules: [rule('open'), rule('office', "time.between('08:00', '18:00')")],
  resources: [resource('r', ['10.0.0.1'])],
};

function suggested(world: World, asked: Parameters<typeof suggestSteps>[1] = query): Suggestion[] {
  assert.equal(evaluate(world, asked).allowed, false, 'only a denied connection needs a change');
  return [...suggestSteps(world, asked)].filter((one) => one !== null);
}

const kinds = (world: World, asked = query) =>
  suggested(world, asked).map(({ kind, sufficient }) => [kind, sufficient]);

test('a policy for others is widened before a new one is made', () => {
  const world = worldOf({ ...base, policies: [policy('p', 1, { groups: ['staff'], resources: ['r'], rule: 'open' })] });
  assert.deepEqual(suggested(world), [
    { kind: 'join-group', sufficient: true, group: 'staff', policy: 'p', resource: 'r' },
    { kind: 'extend-policy', sufficient: true, policy: 'p', resource: 'r' },
    { kind: 'create-policy', sufficient: true, resource: 'r' },
  ]);
});

test('a rule that is not met is named', () => {
  const world = worldOf({ ...base, policies: [policy('p', 1, { users: ['u'], resources: ['r'], rule: 'office' })] });
  assert.deepEqual(kinds(world), [
    ['meet-rule', true],
    ['create-policy', true],
  ]);
});

test('a new policy goes before the one that denies', () => {
  const deny = policy('deny', 1, { allUsers: true, resources: ['r'], allow: false });
  const others = policy('p', 2, { groups: ['staff'], resources: ['r'], rule: 'open' });
  assert.deepEqual(suggested(worldOf({ ...base, policies: [deny, others] })), [
    { kind: 'create-policy', sufficient: true, resource: 'r', before: 'deny' },
  ]);
});

test('a resource is created, opened or attached first', () => {
  assert.deepEqual(kinds(worldOf(base), { ...query, destination: '10.9.9.9' } as never), [['create-resource', false]]);
  const allow = policy('p', 1, { users: ['u'], resources: ['r'], rule: 'open' });
  const closed = [resource('r', [address('10.0.0.1', [tcp(80)])]), resource('other', ['10.7.0.0/16'])];
  assert.deepEqual(suggested(worldOf({ ...base, resources: closed, policies: [allow] })), [
    { kind: 'open-port', sufficient: true, resource: 'r' },
  ]);
  const loose = [resource('r', ['10.0.0.1'], { gateways: [] })];
  assert.deepEqual(kinds(worldOf({ ...base, resources: loose, policies: [allow] })), [['attach-gateway', true]]);
  assert.deepEqual(kinds(worldOf({ ...base, resources: loose })), [['attach-gateway', false]]);
});

test('a device or owner that is not active comes first', () => {
  const allow = policy('p', 1, { users: ['u'], resources: ['r'], rule: 'open' });
  const off = worldOf({ ...base, devices: [device('d1', { user: 'u', active: false })], policies: [allow] });
  assert.deepEqual(kinds(off), [['activate-device', true]]);
  const away = worldOf({ ...base, users: [user('u', { active: false })], policies: [allow] });
  assert.deepEqual(kinds(away), [['activate-user', true]]);
});

test('nothing is suggested for the overlay, and a large tenant is answered in bounds', () => {
  assert.deepEqual(suggested(worldOf(base), { ...query, destination: '100.64.0.77' }), []);
  const many = Array.from({ length: 200 }, (_, i) =>
    policy(`p${i}`, i, { groups: ['staff'], resources: ['r'], rule: 'open' }),
  );
  const steps = [...suggestSteps(worldOf({ ...base, policies: many }), query)];
  assert.ok(steps.filter((one) => one === null).length <= 24);
  const found = steps.filter((one) => one !== null);
  assert.equal(found.length, 10);
  assert.ok(
    found.some(({ kind }) => kind === 'create-policy'),
    'a new policy is among them',
  );
});
