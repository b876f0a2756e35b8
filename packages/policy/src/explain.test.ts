import assert from 'node:assert/strict';
import { test } from 'node:test';
import { explain } from './explain.ts';
import { device, gateway, policy, resource, rule, user, worldOf } from './testing/build.ts';

const at = Date.UTC(2026, 10, 23, 19);
const world = worldOf({
  gateways: [
    gateway('g1', { intent: 'MAINTENANCE' }),
    gateway('g2'),
    gateway('g3', { intent: 'OFFLINE' }),
    gateway('g4'),
  ],
  devices: [device('d1', { user: 'u' })],
  users: [user('u', { department: 'Engineering' })],
  rules: [rule('office', "time.between('08:00', '18:00') && user.department == 'Engineering'")],
  resources: [resource('r', ['10.0.0.1'], { gateways: ['g1', 'g3', 'g2', 'g4'] })],
  policies: [
    policy('other', 1, { devices: ['d9'], allResources: true }),
    policy('timed', 2, { users: ['u'], allResources: true, rule: 'office' }),
    policy('broken', 3, { users: ['u'], allResources: true, rule: 'gone' }),
    policy('allow', 4, { users: ['u'], resources: ['r'] }),
    policy('later', 5, { users: ['u'], allResources: true, allow: false }),
  ],
});
const query = { device: 'd1', destination: '10.0.0.1', protocol: 'tcp', port: 443, at } as const;

test('an explanation has the policies up to the deciding one, each with its reason and conditions', () => {
  const { verdict, steps } = explain(world, query);
  assert.equal(verdict.policy, 'allow');
  assert.equal(verdict.validUntil, Date.UTC(2026, 10, 24, 8));
  assert.deepEqual(
    steps.map(({ policy: id, outcome }) => [id, outcome]),
    [
      ['other', 'no-match'],
      ['timed', 'skipped'],
      ['broken', 'skipped'],
      ['allow', 'allowed'],
    ],
  );
  assert.deepEqual(steps[1]?.rule, {
    id: 'office',
    met: false,
    reason: 'it is not true',
    validUntil: Date.UTC(2026, 10, 24, 8),
    conditions: [
      {
        expression: 'time.between("08:00", "18:00")',
        met: false,
        values: { time: 'MO 2026-11-23T19:00' },
        reason: 'it is not true',
      },
      {
        expression: 'user.department == "Engineering"',
        met: true,
        values: { 'user.department': 'Engineering' },
      },
    ],
  });
  assert.equal(steps[2]?.rule?.reason, 'the rule does not exist');
  assert.deepEqual(steps[3]?.rule, { id: 'built-in', met: true, reason: null, validUntil: null, conditions: [] });
});

test('an explanation has the gateways that could carry the traffic, the chosen one, and why not the others', () => {
  assert.deepEqual(explain(world, query).gateways, [
    { gateway: 'g2', chosen: true, reason: 'it is the first in order that is in service' },
    { gateway: 'g4', chosen: false, reason: 'it comes later in order' },
    { gateway: 'g1', chosen: false, reason: 'it is in MAINTENANCE: used when no other is left' },
    { gateway: 'g3', chosen: false, reason: 'it is set to OFFLINE' },
  ]);
});

test('a query that is denied before any policy has no steps', () => {
  const { verdict, steps, gateways } = explain(world, { ...query, device: 'gone' });
  assert.deepEqual([verdict.allowed, steps, gateways], [false, [], []]);
});
