import assert from 'node:assert/strict';
import { test } from 'node:test';
import { evaluate } from './evaluate.ts';
import { gatewaysFor } from './gateways-for.ts';
import { address, device, gateway, policy, resource, rule, tcp, worldOf } from './testing/build.ts';
import type { WorldPolicy } from './types.ts';
import type { World } from './world.ts';

const gateways = [gateway('g1'), gateway('g2')];
const resources = [
  resource('office', ['10.0.0.0/24', '8.8.4.4']),
  resource('dns', [address('8.8.8.8', [tcp(53)])], { type: 'INTERNET', gateways: [] }),
];
const internet = (id: string, order: number, given: Partial<WorldPolicy> = {}) =>
  policy(id, order, { type: 'INTERNET', allDevices: true, allResources: true, mode: 'LOCAL', ...given });
const accessPoint = (id: string, order: number, given: Partial<WorldPolicy> = {}) =>
  internet(id, order, { mode: 'INTERNET_ACCESS_POINT', gateways: ['g1'], ...given });

function ask(world: World, destination = '8.8.8.8', given: { gateway?: string; port?: number } = {}) {
  const decision = evaluate(world, { device: 'd1', destination, protocol: 'tcp', port: 443, at: 0, ...given });
  const { allowed, policy: by } = decision;
  return [allowed, by, decision.allowed ? decision.gateways.join() : decision.reason];
}

test('an access point admits every protocol to public addresses, only through its gateways', () => {
  const world = worldOf({ gateways, resources, policies: [accessPoint('p', 1)] });
  for (const destination of ['8.8.8.8', '1.0.0.1', '2606:4700::1'])
    assert.deepEqual(ask(world, destination), [true, 'p', 'g1'], destination);
  assert.deepEqual(ask(world, '8.8.8.8', { gateway: 'g2' }), [
    false,
    'p',
    'the policy sends it through other gateways',
  ]);
  for (const destination of [
    '10.9.9.9',
    '192.168.1.1',
    '172.16.0.1',
    '198.51.100.1',
    'fd00::1',
    '2001:db8::1',
    '2002::1',
  ])
    assert.deepEqual(ask(world, destination), [false, null, 'no resource covers this destination'], destination);
});

test('addresses of a private resource are not the internet, on any port', () => {
  const world = worldOf({ gateways, resources, policies: [accessPoint('p', 1)] });
  assert.deepEqual(ask(world, '8.8.4.4'), [false, null, 'no policy allows it']);
});

test('the first internet policy decides: LOCAL and RESTRICTED keep packets away from gateways', () => {
  const after = (first: WorldPolicy) => ask(worldOf({ gateways, resources, policies: [first, accessPoint('p', 2)] }));
  assert.deepEqual(after(internet('q', 1)), [false, 'q', "it leaves by the device's own connection"]);
  assert.deepEqual(after(internet('q', 1, { mode: 'RESTRICTED' })), [
    false,
    'q',
    'a policy closes the public internet',
  ]);
  assert.deepEqual(after(internet('q', 1, { devices: ['other'], allDevices: false })), [true, 'p', 'g1']);
  assert.deepEqual(after(internet('q', 1, { rule: 'missing' })), [true, 'p', 'g1']);
  const gone = accessPoint('q', 1, { gateways: ['gone'] });
  assert.deepEqual(after(gone), [false, 'q', 'no gateway of the policy is in service']);
});

test('an internet policy with resources applies only to their addresses and ports', () => {
  const policies = [accessPoint('dns', 1, { allResources: false, resources: ['dns'] }), internet('rest', 2)];
  const world = worldOf({ gateways, resources, policies });
  assert.deepEqual(ask(world, '8.8.8.8', { port: 53 }), [true, 'dns', 'g1']);
  assert.deepEqual(ask(world, '8.8.8.8')[1], 'rest');
  assert.deepEqual(ask(world, '9.9.9.9')[1], 'rest');
  assert.deepEqual(Object.fromEntries(gatewaysFor(world, 'd1', 0)), { g1: ['8.8.8.8/32'] });
});

test('a full tunnel has the default routes at the access point beside the prefixes of other gateways', () => {
  const policies = [
    accessPoint('p', 1, { gateways: ['g2', 'g1'] }),
    policy('office', 1, { allDevices: true, resources: ['office'] }),
  ];
  assert.deepEqual(Object.fromEntries(gatewaysFor(worldOf({ gateways, resources, policies }), 'd1', 0)), {
    g1: ['8.8.4.4/32', '10.0.0.0/24'],
    g2: ['0.0.0.0/0', '::/0'],
  });
});

test('a restricted device has default routes at a gateway that it uses anyway; a local device has none', () => {
  const routes = (given: Partial<WorldPolicy>, carried: boolean) => {
    const office = policy('office', 1, { allDevices: carried, resources: ['office'] });
    const world = worldOf({ gateways, resources, policies: [internet('p', 1, given), office] });
    return Object.fromEntries(gatewaysFor(world, 'd1', 0));
  };
  assert.deepEqual(routes({ mode: 'RESTRICTED' }, true), { g1: ['8.8.4.4/32', '10.0.0.0/24', '0.0.0.0/0', '::/0'] });
  assert.deepEqual(routes({ mode: 'RESTRICTED' }, false), {});
  assert.deepEqual(routes({}, true), { g1: ['8.8.4.4/32', '10.0.0.0/24'] });
});

test('addresses that an earlier policy leaves to the connection of the device are not in the default routes', () => {
  const policies = [internet('local', 1, { allResources: false, resources: ['half'] }), accessPoint('p', 2)];
  const half = resource('half', ['128.0.0.0/1'], { type: 'INTERNET', gateways: [] });
  const world = worldOf({ gateways, resources: [half], policies, devices: [device('d1')], rules: [rule('x', 'true')] });
  assert.deepEqual(Object.fromEntries(gatewaysFor(world, 'd1', 0)), { g1: ['0.0.0.0/1', '::/0'] });
});
