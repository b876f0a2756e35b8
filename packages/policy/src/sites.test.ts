import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TenantCompiler } from './compile/compiler.ts';
import { evaluate } from './evaluate.ts';
import { changesOf, device, gateway, policy, resource, rule, settings, worldOf } from './testing/build.ts';
import type { WorldPolicy } from './types.ts';

const gateways = [gateway('g1'), gateway('g2')];
const resources = [resource('r', ['10.0.0.1']), resource('s', ['10.0.0.2'], { type: 'SAAS' })];
const site = (id: string, order: number, sourceIps: string[], given: Partial<WorldPolicy> = {}) =>
  policy(id, order, { type: 'SITETOSITE', gateways: ['g2'], allResources: true, sourceIps, ...given });

function ask(policies: readonly WorldPolicy[], source: string, destination = '10.0.0.1') {
  const world = worldOf({ gateways, resources, policies, rules: [rule('day', "time.between('08:00', '18:00')")] });
  const decision = evaluate(world, { source, destination, protocol: 'tcp', port: 1, at: 9 * 3_600_000 });
  return [decision.allowed, decision.policy, decision.validUntil];
}

test('a site reaches private and SaaS resources, by the first policy for its address', () => {
  const wide = site('wide', 2, ['192.168.0.0/16']);
  assert.deepEqual(ask([wide], '192.168.7.7'), [true, 'wide', null]);
  assert.deepEqual(ask([wide], '192.168.7.7', '10.0.0.2'), [true, 'wide', null]);
  assert.deepEqual(ask([wide], '192.169.0.1'), [false, null, null]);
  assert.deepEqual(ask([wide, site('deny', 1, ['192.168.1.0/24'], { allow: false })], '192.168.1.1'), [
    false,
    'deny',
    null,
  ]);
  assert.deepEqual(ask([wide, site('deny', 3, ['192.168.1.0/24'], { allow: false })], '192.168.1.1'), [
    true,
    'wide',
    null,
  ]);
  assert.deepEqual(ask([site('day', 1, ['192.168.0.0/16'], { rule: 'day' })], '192.168.1.1'), [
    true,
    'day',
    18 * 3_600_000,
  ]);
});

test('a policy with IPv4-mapped sources is about their IPv4 addresses', () => {
  const policies = [site('deny', 1, ['::ffff:192.168.1.0/120'], { allow: false }), site('wide', 2, ['192.168.0.0/23'])];
  assert.deepEqual(ask(policies, '192.168.1.1'), [false, 'deny', null]);
  assert.deepEqual(ask(policies, '192.168.0.1'), [true, 'wide', null]);
  const compiler = new TenantCompiler(settings);
  compiler.apply(changesOf({ gateways, resources, policies, devices: [device('d1')] }), 0);
  const sites = compiler.items('g1').filter((item) => item.kind === 'site');
  assert.deepEqual(
    sites.flatMap(({ prefixes }) => prefixes),
    ['192.168.0.0/24'],
  );
});

test('policies between sites do not apply to devices, and policies for devices do not apply to sites', () => {
  const policies = [policy('p', 1, { allDevices: true, allResources: true }), site('s', 1, ['0.0.0.0/0'])];
  assert.equal(ask(policies, '192.168.1.1')[1], 's');
  const world = worldOf({ gateways, resources, policies: [site('s', 1, ['0.0.0.0/0'])] });
  assert.equal(
    evaluate(world, { device: 'd1', destination: '10.0.0.1', protocol: 'tcp', port: 1, at: 0 }).allowed,
    false,
  );
});

test('overlay addresses belong to no site, and a policy without gateways has no site', () => {
  assert.equal(ask([site('s', 1, ['0.0.0.0/0'])], '100.64.0.9')[0], false);
  assert.equal(ask([site('s', 1, ['192.168.0.0/16'], { gateways: [] })], '192.168.1.1')[0], false);
});

test('overlapping sources become disjoint sites on the gateways that carry the resources', () => {
  const compiler = new TenantCompiler(settings);
  const policies = [
    site('narrow', 1, ['192.168.1.0/24'], { allow: false }),
    site('wide', 2, ['192.168.0.0/23', '100.64.0.0/10']),
  ];
  compiler.apply(changesOf({ gateways, resources, policies, devices: [device('d1')] }), 0);
  const items = compiler.items('g1').filter((item) => item.kind === 'site');
  assert.deepEqual(
    items.map(({ prefixes }) => prefixes),
    [['192.168.0.0/24']],
  );
  assert.deepEqual(
    compiler.items('g2').filter(({ kind }) => kind === 'site'),
    [],
  );
  const delta = compiler.apply([{ kind: 'policy', id: 'narrow', value: null }], 0).get('g1');
  assert.deepEqual(
    delta?.upserts.flatMap((item) => (item.kind === 'site' ? item.prefixes : [])),
    ['192.168.0.0/23'],
  );
});
