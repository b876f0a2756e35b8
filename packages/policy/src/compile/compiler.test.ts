import assert from 'node:assert/strict';
import { test } from 'node:test';
import { publicClass, type StateItem } from '@sallyport/contract/channel';
import { parseRange } from '@sallyport/ip';
import { address, changesOf, device, everyPort, gateway, policy, resource, settings, tcp } from '../testing/build.ts';
import type { WorldChange } from '../types.ts';
import { TenantCompiler } from './compiler.ts';

type Objects = Parameters<typeof changesOf>[0];

function compiled(objects: Objects): TenantCompiler {
  const compiler = new TenantCompiler(settings);
  compiler.apply(changesOf(objects), 0);
  return compiler;
}

function ofKind<K extends StateItem['kind']>(compiler: TenantCompiler, kind: K, gatewayId = 'g1') {
  return compiler.items(gatewayId).filter((item): item is StateItem & { kind: K } => item.kind === kind);
}

const change = (objects: Objects): WorldChange[] => changesOf(objects);
const office = {
  gateways: [gateway('g1'), gateway('g2')],
  devices: [device('d1'), device('d2'), device('d3')],
  resources: [resource('r1', ['10.0.0.1']), resource('r2', ['10.0.0.2'], { gateways: ['g2'] })],
  policies: [
    policy('p1', 1, { devices: ['d1', 'd2'], resources: ['r1'] }),
    policy('p2', 2, { devices: ['d2'], resources: ['r2'] }),
  ],
};

test('a gateway knows only the devices that reach something through it', () => {
  const compiler = compiled(office);
  assert.deepEqual(
    ofKind(compiler, 'device').map(({ id }) => id),
    ['d1', 'd2'],
  );
  assert.deepEqual(
    ofKind(compiler, 'device', 'g2').map(({ id }) => id),
    ['d2'],
  );
});

test('devices share a profile at a gateway when the same policies affect them there', () => {
  const profiles = ofKind(compiled(office), 'device').map(({ profile }) => profile);
  assert.equal(profiles[0], profiles[1]);
});

test('a device that only denies match is not known to the gateway', () => {
  const deny = policy('p1', 1, { devices: ['d1'], resources: ['r1'], allow: false });
  assert.deepEqual(
    compiled({ ...office, policies: [deny] })
      .items('g1')
      .map(({ kind }) => kind),
    ['gateway', 'probe'],
  );
});

test('only gateways whose state changed have a delta, and it has only what changed', () => {
  const compiler = compiled(office);
  const key = device('x').publicKey;
  const deltas = compiler.apply(change({ devices: [device('d1', { publicKey: key })] }), 0);
  assert.deepEqual([...deltas.keys()], ['g1']);
  assert.deepEqual(
    deltas.get('g1')?.upserts.map((item) => item.key),
    ['device/d1'],
  );
  assert.deepEqual(deltas.get('g1')?.removes, []);
  assert.equal(compiler.apply(change({ devices: [device('d3', { publicKey: key })] }), 0).size, 0);
});

test('a new gateway yields all of its items, a removed one nothing', () => {
  const compiler = compiled({ ...office, gateways: [] });
  const delta = compiler.apply(change({ gateways: [gateway('g1')] }), 0).get('g1');
  assert.deepEqual(delta?.upserts, compiler.items('g1'));
  assert.ok(compiler.items('g1').length > 4);
  assert.equal(compiler.apply([{ kind: 'gateway', id: 'g1', value: null }], 0).size, 0);
  assert.deepEqual(compiler.items('g1'), []);
  assert.equal(compiler.hash('g1'), '0'.repeat(64));
});

test('a deactivated device is removed from every gateway, together with items that only it used', () => {
  const compiler = compiled(office);
  const deltas = compiler.apply(change({ devices: [device('d2', { active: false })] }), 0);
  assert.deepEqual(deltas.get('g1')?.removes, ['device/d2']);
  assert.deepEqual(
    deltas
      .get('g2')
      ?.removes.map((key) => key.split('/')[0])
      .sort(),
    ['bundle', 'class', 'device', 'profile'],
  );
});

test('MAINTENANCE changes only the gateway item; OFFLINE leaves only the gateway item', () => {
  const compiler = compiled(office);
  const drained = compiler.apply(change({ gateways: [gateway('g1', { intent: 'MAINTENANCE' })] }), 0).get('g1');
  assert.deepEqual([drained?.upserts.map(({ key }) => key), drained?.removes], [['gateway'], []]);
  compiler.apply(change({ gateways: [gateway('g1', { intent: 'OFFLINE' })] }), 0);
  assert.deepEqual(
    compiler.items('g1').map(({ key }) => key),
    ['gateway'],
  );
  compiler.apply(change({ gateways: [gateway('g1')] }), 0);
  assert.equal(compiler.hash('g1'), compiled(office).hash('g1'));
});

test('settings reach every gateway', () => {
  const compiler = compiled(office);
  const deltas = compiler.apply([{ kind: 'settings', value: { ...settings, mtu: 1400 } }], 0);
  assert.deepEqual(
    [...deltas.values()].map(({ upserts }) => upserts.map(({ key }) => key)),
    [['gateway'], ['gateway']],
  );
  assert.equal(ofKind(compiler, 'gateway')[0]?.mtu, 1400);
});

test('editing the ports of a resource changes no id of a device, profile or class', () => {
  const compiler = compiled(office);
  const before = ofKind(compiler, 'class');
  const edited = resource('r1', [address('10.0.0.1', [tcp(22)], 'r1:10.0.0.1')]);
  const delta = compiler.apply(change({ resources: [edited] }), 0).get('g1');
  assert.deepEqual(delta?.upserts.map(({ kind }) => kind).sort(), ['bundle', 'probe', 'profile']);
  assert.deepEqual(
    delta?.removes.map((key) => key.split('/')[0]),
    ['bundle'],
  );
  assert.deepEqual(ofKind(compiler, 'class'), before);
});

test('a resource around others cuts classes but keeps their ids', () => {
  const compiler = compiled(office);
  const before = ofKind(compiler, 'class').map(({ id }) => id);
  compiler.apply(
    change({
      resources: [resource('wide', ['10.0.0.0/24'])],
      policies: [policy('w', 0, { devices: ['d1'], resources: ['wide'] })],
    }),
    0,
  );
  const classes = ofKind(compiler, 'class');
  assert.equal(classes.length, 2);
  assert.ok(before.every((id) => classes.some((c) => c.id === id)));
  assert.deepEqual(classes.flatMap(({ ranges }) => ranges).sort(), [
    '10.0.0.0-10.0.0.0',
    '10.0.0.1-10.0.0.1',
    '10.0.0.2-10.0.0.255',
  ]);
});

test('addresses of a resource with the same ports are one class, adjacent ranges merged', () => {
  const resources = [resource('r1', ['10.0.0.1', '10.0.0.2', '10.0.0.9', 'fd00::1'])];
  assert.deepEqual(
    ofKind(compiled({ ...office, resources }), 'class').map(({ ranges }) => ranges),
    [['10.0.0.1-10.0.0.2', '10.0.0.9-10.0.0.9', 'fd00::1-fd00::1']],
  );
});

test('overlay, loopback, link-local and multicast are cut out of classes', () => {
  const resources = [resource('r1', ['0.0.0.0/0'])];
  assert.deepEqual(ofKind(compiled({ ...office, resources }), 'class')[0]?.ranges, [
    '1.0.0.0-100.63.255.255',
    '100.128.0.0-126.255.255.255',
    '128.0.0.0-169.253.255.255',
    '169.255.0.0-223.255.255.255',
    '240.0.0.0-255.255.255.254',
  ]);
});

test('overlapping ports are resolved to disjoint grants, each with the policy that comes first', () => {
  const resources = [
    resource('web', [address('10.0.0.1', [tcp(80, 443)])]),
    resource('ssh', [address('10.0.0.0/24', [tcp(1, 100)])]),
    resource('blocked', [address('10.0.0.0/24', [tcp(90)])]),
  ];
  const by = (id: string, order: number, allow = true) =>
    policy(`p-${id}`, order, { devices: ['d1'], resources: [id], allow });
  const compiler = compiled({ ...office, resources, policies: [by('blocked', 1, false), by('web', 2), by('ssh', 3)] });
  const grants = ofKind(compiler, 'bundle').map((b) => b.grants.map((g) => `${g.from}-${g.to} ${g.policy}`).join(', '));
  assert.deepEqual(grants.sort(), ['1-79 p-ssh, 80-89 p-web, 91-443 p-web', '1-89 p-ssh, 91-100 p-ssh']);
});

test('a deny of a resource on another gateway cuts the same addresses here', () => {
  const resources = [resource('r1', ['10.0.0.0/24']), resource('r2', ['10.0.0.7'], { gateways: ['g2'] })];
  const compiler = compiled({ ...office, resources });
  const deny = policy('deny', 0, { devices: ['d1'], resources: ['r2'], allow: false });
  assert.ok(compiler.apply(change({ policies: [deny] }), 0).has('g1'));
  const ranges = ofKind(compiler, 'class').map((c) => c.ranges);
  assert.deepEqual(ranges.sort(), [['10.0.0.0-10.0.0.6', '10.0.0.8-10.0.0.255'], ['10.0.0.7-10.0.0.7']]);
  const cells = ofKind(compiler, 'profile')
    .map((p) => p.cells.length)
    .sort();
  assert.deepEqual(cells, [1, 2]);
});

test('single addresses of attached resources are probed at the port that shows best whether they answer', () => {
  const range = (protocol: 'tcp' | 'udp' | 'icmp', from = 0, to = 65535) => ({ protocol, from, to });
  const addresses = [
    address('10.0.0.1', [tcp(8000, 8100), tcp(443)]),
    address('10.0.0.2', [tcp(8000, 8100)]),
    address('10.0.0.3', everyPort),
    address('10.0.0.4', [range('udp', 53, 53)]),
    address('10.0.0.5', [range('icmp'), tcp(22)]),
    address('fd00::1', [range('tcp')]),
    address('10.1.0.0/31', everyPort),
    address('127.0.0.1', everyPort),
  ];
  const probes = ofKind(compiled({ gateways: office.gateways, resources: [resource('r', addresses)] }), 'probe');
  assert.deepEqual(
    probes.map(({ key, target, port }) => [key, target, port]),
    [
      ['probe/10.0.0.1', '10.0.0.1', 443],
      ['probe/10.0.0.2', '10.0.0.2', 8000],
      ['probe/10.0.0.3', '10.0.0.3', null],
      ['probe/10.0.0.4', '10.0.0.4', null],
      ['probe/10.0.0.5', '10.0.0.5', 22],
      ['probe/fd00::1', 'fd00::1', 1],
    ],
  );
});

test('a malformed address is refused and changes nothing', () => {
  const compiler = compiled(office);
  const hash = compiler.hash('g1');
  const changes = change({ devices: [device('d1', { active: false })], resources: [resource('r9', ['10.0.0.300'])] });
  assert.throws(() => compiler.apply(changes, 0), RangeError);
  assert.equal(compiler.hash('g1'), hash);
  assert.equal(compiler.world.devices.get('d1')?.active, true);
});

test('state grows with devices plus destinations, not with their product', () => {
  const bytes = (devices: number, resources: number) =>
    JSON.stringify(
      compiled({
        gateways: [gateway('g1')],
        devices: Array.from({ length: devices }, (_, i) => device(`d${i}`)),
        resources: Array.from({ length: resources }, (_, i) => resource(`r${i}`, [`10.${i >> 8}.${i & 255}.1`])),
        policies: [policy('p', 1, { allDevices: true, allResources: true })],
      }).items('g1'),
    ).length;
  const [small, more, both] = [bytes(50, 20), bytes(100, 20) + bytes(50, 40), bytes(100, 40)];
  assert.ok(both <= more - small + 100, `${both} bytes, at most ${more - small}`);
});

test('public addresses that no resource names are one class, which gateways know by its id', () => {
  const everything = { type: 'INTERNET', allDevices: true, allResources: true } as const;
  const compiler = compiled({
    gateways: [gateway('g1')],
    devices: [device('d1')],
    resources: [
      resource('office', ['8.8.4.4']),
      resource('dns', ['8.8.8.8', '2001:4860::1'], { type: 'INTERNET', gateways: [] }),
    ],
    policies: [policy('p', 1, { ...everything, mode: 'INTERNET_ACCESS_POINT', gateways: ['g1'] })],
  });
  const classes = ofKind(compiler, 'class');
  const open = classes.filter(({ id }) => id === publicClass).flatMap(({ ranges }) => ranges);
  const holds = (address: string) =>
    open.some((text) => {
      const [range, wanted] = [parseRange(text), parseRange(`${address}-${address}`)];
      return (
        range?.family === wanted?.family &&
        range !== null &&
        wanted !== null &&
        range.first <= wanted.first &&
        wanted.last <= range.last
      );
    });
  assert.deepEqual(['8.8.8.7', '2001:4860::2'].map(holds), [true, true]);
  assert.deepEqual(['8.8.8.8', '8.8.4.4', '2001:4860::1', '10.0.0.1'].map(holds), [false, false, false, false]);
  const named = classes.filter(({ id }) => id !== publicClass).flatMap(({ ranges }) => ranges);
  assert.deepEqual(named, ['8.8.8.8-8.8.8.8', '2001:4860::1-2001:4860::1']);
});
