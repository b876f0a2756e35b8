import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { StateItem } from '@sallyport/contract/channel';
import { gatewaysFor } from '../../gateways-for.ts';
import { changesOf, device, gateway, policy, resource, settings } from '../../testing/build.ts';
import type { WorldPolicy } from '../../types.ts';
import { TenantCompiler } from '../compiler.ts';

type Objects = Parameters<typeof changesOf>[0];

function compiled(objects: Objects): TenantCompiler {
  const compiler = new TenantCompiler(settings);
  compiler.apply(changesOf(objects), 0);
  return compiler;
}

function ofKind<K extends StateItem['kind']>(compiler: TenantCompiler, agent: string, kind: K) {
  return compiler.items(agent).filter((item): item is StateItem & { kind: K } => item.kind === kind);
}

const sites = (given: Partial<WorldPolicy>) =>
  policy('sites', 1, { type: 'SITETOSITE', sourceIps: ['192.168.0.0/24'], allResources: true, ...given });
const peers = (compiler: TenantCompiler, agent: string) =>
  Object.fromEntries(ofKind(compiler, agent, 'peer').map(({ id, sources }) => [id, sources]));

test('traffic of a site leaves its gateway to all gateways with the resource, in order, and is a source at those', () => {
  const compiler = compiled({
    gateways: [gateway('g1'), gateway('g2'), gateway('g3')],
    resources: [
      resource('r', ['10.0.0.0/24'], { gateways: ['g3', 'g2'], mode: 'AUTOMATIC' }),
      resource('own', ['10.0.0.7'], { gateways: ['g1'] }),
    ],
    policies: [sites({ gateways: ['g1'] })],
  });
  const routes = ofKind(compiler, 'g1', 'route');
  assert.ok(routes.every(({ gateways, mode }) => gateways.join() === 'g3,g2' && mode === 'AUTOMATIC'));
  assert.ok(!routes.some(({ id }) => id === '10.0.0.0/24'), 'its own address is cut out');
  const [egress] = ofKind(compiler, 'g1', 'egress');
  assert.deepEqual(egress?.sources, ['192.168.0.0/24']);
  assert.deepEqual(
    egress?.destinations,
    routes.map(({ id }) => id),
  );
  assert.deepEqual(peers(compiler, 'g1'), { g3: [], g2: [] });
  assert.deepEqual(peers(compiler, 'g2'), { g1: ['192.168.0.0/24'] });
  assert.equal(ofKind(compiler, 'g2', 'site').length, 1);
});

test('a source behind two gateways belongs to the first that takes flows; both are peers', () => {
  const resources = [resource('r', ['10.0.0.1'], { gateways: ['g3'] })];
  const policies = [sites({ gateways: ['g1', 'g2'] })];
  const compiler = compiled({ gateways: [gateway('g1'), gateway('g2'), gateway('g3')], resources, policies });
  assert.deepEqual(peers(compiler, 'g3'), { g1: ['192.168.0.0/24'], g2: [] });
  const set = (given: Parameters<typeof gateway>[1]) =>
    compiler.apply([{ kind: 'gateway', id: 'g1', value: gateway('g1', given) }], 0);
  set({ intent: 'MAINTENANCE' });
  assert.deepEqual(peers(compiler, 'g3'), { g1: [], g2: ['192.168.0.0/24'] });
  set({ intent: 'OFFLINE' });
  assert.deepEqual(peers(compiler, 'g3'), { g2: ['192.168.0.0/24'] });
  assert.deepEqual(ofKind(compiler, 'g1', 'egress'), []);
});

test('two gateways of a link are relayed like a device and its gateway', () => {
  const compiler = compiled({
    gateways: [gateway('g1'), gateway('g2'), gateway('g3', { relayEnabled: true })],
    resources: [resource('r', ['10.0.0.1'], { gateways: ['g2'] })],
    policies: [sites({ gateways: ['g1'] })],
    relays: [{ id: 'x', a: 'g2', b: 'g1', relay: 'g3', port: 51901 }],
  });
  const relays = [{ gateway: 'g3', endpoint: 'g3.example.net:51901' }];
  for (const id of ['g1', 'g2']) assert.deepEqual(ofKind(compiler, id, 'peer')[0]?.relays, relays);
  assert.deepEqual(
    ofKind(compiler, 'g3', 'relay')[0]?.peers.map(({ id }) => id),
    ['g2', 'g1'],
  );
  compiler.apply([{ kind: 'policy', id: 'sites', value: null }], 0);
  assert.deepEqual(ofKind(compiler, 'g3', 'relay'), []);
});

const phone = device('d1', { entryGateway: 'g1' });
const entrance = {
  gateways: [gateway('g1', { relayEnabled: true }), gateway('g2')],
  devices: [phone],
  resources: [resource('far', ['10.0.0.0/24'], { gateways: ['g2'] }), resource('near', ['10.0.0.7'])],
  policies: [policy('all', 1, { devices: ['d1'], resources: ['far'] })],
};

test('a device with an entry gateway has all access there, and other gateways know the entry gateway', () => {
  const compiler = compiled(entrance);
  assert.deepEqual([...gatewaysFor(compiler.world, 'd1', 0)], [['g1', ['10.0.0.0/24']]]);
  const device = (id: string) => ofKind(compiler, id, 'device').map(({ via, profile }) => [via, profile !== null]);
  assert.deepEqual([device('g1'), device('g2')], [[[null, true]], [['g1', true]]]);
  assert.deepEqual(peers(compiler, 'g2'), { g1: ['100.64.0.9/32', 'fd50:1::9/128'] });
  assert.deepEqual(ofKind(compiler, 'g1', 'egress'), [], 'its profile lets it on');
  compiler.apply([{ kind: 'gateway', id: 'g1', value: gateway('g1') }], 0);
  assert.deepEqual([device('g1'), device('g2')], [[], [[null, true]]], 'no relay: straight to each gateway again');
});

test('a gateway does not open what it carries itself for policies about a resource elsewhere at the same address', () => {
  const compiler = compiled(entrance);
  const ranges = ofKind(compiler, 'g1', 'class').flatMap((item) => item.ranges);
  assert.deepEqual(ranges, ['10.0.0.0-10.0.0.6', '10.0.0.8-10.0.0.255']);
  assert.ok(ofKind(compiler, 'g1', 'route').every(({ id }) => id !== '10.0.0.7/32'));
});

test('of the devices at an entry gateway, only those with access to resources elsewhere are passed on', () => {
  const resources = [
    resource('wide', ['10.0.0.0/16']),
    resource('narrow', ['10.0.7.0/24'], { gateways: ['g2'] }),
    resource('inner', ['10.0.7.8'], { gateways: ['g1'] }),
  ];
  const may = (id: string, order: number, granted: readonly string[]) =>
    policy(id, order, { devices: [id], resources: [...granted] });
  const ids = ['both', 'wide-only', 'narrow-only'];
  const compiler = compiled({
    ...entrance,
    devices: ids.map((id, i) => device(id, { entryGateway: 'g1', addresses: [`100.64.0.${i + 20}`] })),
    resources,
    policies: [may('both', 1, ['wide', 'narrow']), may('wide-only', 2, ['wide']), may('narrow-only', 3, ['narrow'])],
  });
  const classes = new Map(ofKind(compiler, 'g1', 'class').map(({ id, ranges }) => [id, ranges[0]]));
  const ways = (id: string) => {
    const shown = ofKind(compiler, 'g1', 'device').find((item) => item.id === id)?.profile;
    const cells = ofKind(compiler, 'g1', 'profile').find((item) => item.id === shown)?.cells ?? [];
    return Object.fromEntries(cells.map((cell) => [classes.get(cell.class), cell.onward === true]));
  };
  const [outside, inside, inner] = ['10.0.0.0-10.0.6.255', '10.0.7.0-10.0.7.7', '10.0.7.8-10.0.7.8'];
  assert.deepEqual(ways('both'), { [outside]: false, [inside]: true, [inner]: false });
  assert.deepEqual(ways('wide-only'), { [outside]: false, [inside]: false, [inner]: false });
  assert.deepEqual(ways('narrow-only'), { [inside]: true });
  const hash = compiler.hash('g1');
  const attach = (gateways: string[]) =>
    compiler.apply([{ kind: 'resource', id: 'narrow', value: resource('narrow', ['10.0.7.0/24'], { gateways }) }], 0);
  attach(['g1']);
  assert.equal(ways('narrow-only')[inside], false);
  attach(['g2']);
  assert.deepEqual(ways('narrow-only'), { [inside]: true });
  assert.equal(compiler.hash('g1'), hash);
});

test('a grant that makes a cell pass packets on changes the state, even with equal ports and routes', () => {
  const resources = [
    resource('wide', ['10.0.0.0/16'], { gateways: ['g1'] }),
    resource('narrow', ['10.0.7.0/24'], { gateways: ['g2'] }),
  ];
  const devices = [phone, device('d2', { entryGateway: 'g1', addresses: ['100.64.0.22'] })];
  const first = (granted: string[]) => policy('first', 1, { devices: ['d1'], resources: granted });
  const policies = [first(['wide']), policy('second', 2, { devices: ['d2'], resources: ['narrow'] })];
  const compiler = compiled({ ...entrance, devices, resources, policies });
  const before = compiler.hash('g1');
  const routes = ofKind(compiler, 'g1', 'route');
  const changed = compiler.apply([{ kind: 'policy', id: 'first', value: first(['wide', 'narrow']) }], 0);
  assert.notEqual(compiler.hash('g1'), before);
  assert.deepEqual(ofKind(compiler, 'g1', 'route'), routes);
  const profiles = (changed.get('g1')?.upserts ?? []).filter((item) => item.kind === 'profile');
  assert.deepEqual(profiles.flatMap(({ cells }) => cells.filter(({ onward }) => onward === true)).length, 1);
});
