import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Policy } from '@sallyport/contract';
import { shadowOf } from './shadow.ts';

const policy = (name: string, about: Partial<Policy>): Policy => ({
  id: name,
  name,
  createdAt: '2026-11-01T00:00:00.000Z',
  updatedAt: '2026-11-01T00:00:00.000Z',
  action: true,
  order: 0,
  isDefault: false,
  type: 'PRIVATE',
  allGroups: false,
  allUsers: false,
  allDevices: false,
  allResources: false,
  ...about,
});
const some = (...all: string[]) => all.map((id) => ({ id, name: id })) as never;
const shadow = (one: Policy, ...above: Policy[]) => shadowOf(one, above)?.name ?? null;

test('a policy for everybody and everything shadows those below it', () => {
  const all = policy('all', { allUsers: true, allResources: true });
  assert.equal(shadow(policy('below', { groups: some('g'), resources: some('wiki') }), all), 'all');
  assert.equal(shadow(policy('below', { allGroups: true, allResources: true }), all), 'all');
});

test('a policy for users does not shadow one for devices, which may have no owner', () => {
  const users = policy('users', { allUsers: true, allResources: true });
  assert.equal(shadow(policy('devices', { devices: some('printer'), resources: some('wiki') }), users), null);
  const devices = policy('devices', { allDevices: true, allResources: true });
  assert.equal(shadow(policy('users', { users: some('anna'), resources: some('wiki') }), devices), 'devices');
});

test('a condition above lets the policy below decide', () => {
  const rule = { type: 'CUSTOM', name: 'office hours' } as never;
  const above = policy('above', { allUsers: true, allResources: true, rule });
  const below = policy('below', { allUsers: true, resources: some('wiki') });
  assert.equal(shadow(below, above), null);
  assert.equal(shadow(below, above, policy('deny', { action: false, allUsers: true, allResources: true })), 'deny');
});

test('a policy is shadowed only when all of its subjects and resources are covered', () => {
  const above = policy('above', { groups: some('a', 'b'), resources: some('wiki', 'erp') });
  assert.equal(shadow(policy('one', { groups: some('a'), resources: some('wiki') }), above), 'above');
  assert.equal(shadow(policy('two', { groups: some('a', 'c'), resources: some('wiki') }), above), null);
  assert.equal(shadow(policy('three', { groups: some('a'), resources: some('wiki', 'hr') }), above), null);
  assert.equal(shadow(policy('four', { groups: some('a'), allResources: true }), above), null);
});

test('a policy without subjects is not shadowed, because it never matches', () => {
  assert.equal(shadow(policy('empty', {}), policy('all', { allDevices: true, allResources: true })), null);
});

test('policies between sites are compared by sources and gateways', () => {
  const site = (name: string, sourceIps: string[]) =>
    policy(name, { type: 'SITETOSITE', sourceIps, gateways: some('g'), allResources: true });
  assert.equal(shadow(site('b', ['10.0.0.0/24']), site('a', ['10.0.0.0/24', '10.1.0.0/24'])), 'a');
  assert.equal(shadow(site('b', ['10.2.0.0/24']), site('a', ['10.0.0.0/24'])), null);
});
