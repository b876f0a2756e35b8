import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gatewaysFor } from './gateways-for.ts';
import { address, device, gateway, policy, resource, tcp, worldOf } from './testing/build.ts';

const policies = [policy('p', 1, { allDevices: true, allResources: true })];
const two = [gateway('g1'), gateway('g2')];

test('an address with several gateways goes to the first gateway of the resource', () => {
  const resources = [resource('r', ['10.0.0.0/24', 'fd00::/64'], { gateways: ['g2', 'g1'] })];
  assert.deepEqual(
    [...gatewaysFor(worldOf({ gateways: two, resources, policies }), 'd1', 0)],
    [['g2', ['10.0.0.0/24', 'fd00::/64']]],
  );
});

test('a gateway in MAINTENANCE comes last; a gateway that is OFFLINE carries nothing', () => {
  const resources = [
    resource('r', ['10.0.0.1'], { gateways: ['g3', 'g1', 'g2'] }),
    resource('only', ['10.0.0.9'], { gateways: ['g1', 'g3'] }),
  ];
  const gateways = [gateway('g1', { intent: 'MAINTENANCE' }), gateway('g2'), gateway('g3', { intent: 'OFFLINE' })];
  const routes = gatewaysFor(worldOf({ gateways, resources, policies }), 'd1', 0);
  assert.deepEqual(Object.fromEntries(routes), { g2: ['10.0.0.1/32'], g1: ['10.0.0.9/32'] });
});

test('the default routes take a part of the internet whose own gateway is in MAINTENANCE, if they may', () => {
  const gateways = [gateway('g1', { intent: 'MAINTENANCE' }), gateway('g2')];
  const internet = { type: 'INTERNET', mode: 'INTERNET_ACCESS_POINT', allDevices: true } as const;
  const routesWith = (ports: Parameters<typeof address>[1], rest: string) => {
    const resources = [resource('site', [address('1.2.3.0/24', ports)], { type: 'INTERNET', gateways: [] })];
    const points = [
      policy('site', 1, { ...internet, resources: ['site'], gateways: ['g1'] }),
      policy('rest', 2, { ...internet, allResources: true, gateways: [rest] }),
    ];
    return Object.fromEntries(gatewaysFor(worldOf({ gateways, resources, policies: points }), 'd1', 0));
  };
  assert.deepEqual(routesWith([tcp(443)], 'g2'), { g2: ['0.0.0.0/0', '::/0'] });
  assert.deepEqual(routesWith([tcp(443)], 'g1'), { g1: ['1.2.3.0/24', '0.0.0.0/0', '::/0'] });
  // Every port belongs to the first policy, so the other gateway would refuse it.
  assert.deepEqual(routesWith(undefined, 'g2'), { g1: ['1.2.3.0/24'], g2: ['0.0.0.0/0', '::/0'] });
});

test('a narrower resource of another gateway is cut out of a wider one', () => {
  const resources = [
    resource('wide', ['10.0.0.0/30'], { gateways: ['g1'] }),
    resource('host', ['10.0.0.1'], { gateways: ['g2'] }),
  ];
  const routes = gatewaysFor(worldOf({ gateways: two, resources, policies }), 'd1', 0);
  assert.deepEqual(Object.fromEntries(routes), { g1: ['10.0.0.0/32', '10.0.0.2/31'], g2: ['10.0.0.1/32'] });
});

test('a device that has no access, is deactivated or is unknown has no routes', () => {
  const resources = [resource('r', ['10.0.0.1'])];
  const devices = [device('d1'), device('off', { active: false })];
  const listed = [policy('p', 1, { devices: ['off'], allResources: true })];
  const world = worldOf({ resources, devices, policies: listed });
  for (const id of ['d1', 'off', 'gone']) assert.equal(gatewaysFor(world, id, 0).size, 0);
});
