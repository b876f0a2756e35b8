import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { StateItem } from '@sallyport/contract/channel';
import { evaluate } from '../evaluate.ts';
import { gatewaysFor } from '../gateways-for.ts';
import { reachableSteps } from '../reachable.ts';
import { device, gateway, policy, resource, rule, settings, tcp } from '../testing/build.ts';
import type { WorldAddress, WorldChange } from '../types.ts';
import { World } from '../world.ts';
import { TenantCompiler } from './compiler.ts';

const ports = [tcp(443)];
const v6 = (n: number): string => `fd50:1:0:ffff::${n}`;

function named(name: string, n: number, own = ports): WorldAddress[] {
  return [`100.96.0.${n}/32`, `${v6(n)}/128`].map((prefix) => ({ id: `${name}-id`, prefix, name, ports: own }));
}

const changes: WorldChange[] = [
  { kind: 'gateway', id: 'g1', value: gateway('g1') },
  { kind: 'device', id: 'd1', value: device('d1', { native: true }) },
  { kind: 'rule', id: 'free', value: rule('free') },
  { kind: 'resource', id: 'wiki', value: resource('wiki', [...named('wiki.corp', 1), ...named('docs.corp', 2)]) },
  { kind: 'resource', id: 'vault', value: resource('vault', named('vault.corp', 3)) },
  { kind: 'policy', id: 'p', value: policy('p', 1, { allDevices: true, resources: ['wiki'], rule: 'free' }) },
];

const compiled = (more: readonly WorldChange[] = []): TenantCompiler => {
  const compiler = new TenantCompiler(settings);
  compiler.follow('d1');
  compiler.apply([...changes, ...more], 0);
  return compiler;
};

const namesIn = (items: readonly StateItem[]) => items.filter((item) => item.kind === 'name');
const classesIn = (items: readonly StateItem[]) => items.filter((item) => item.kind === 'class');

test('a gateway knows all names that it carries, a device those that it may reach', () => {
  const compiler = compiled();
  const atGateway = namesIn(compiler.items('g1'));
  assert.deepEqual(atGateway.map(({ id }) => id).sort(), ['docs.corp', 'vault.corp', 'wiki.corp']);
  assert.deepEqual(
    atGateway.find(({ id }) => id === 'wiki.corp'),
    {
      ...{ kind: 'name', key: 'name/wiki.corp', id: 'wiki.corp', addresses: ['100.96.0.1', v6(1)] },
      resources: [{ id: 'wiki', probe: 'wiki.corp-id', port: 443 }],
    },
  );
  const atDevice = compiler.items('d1');
  assert.deepEqual(
    namesIn(atDevice)
      .map(({ id }) => id)
      .sort(),
    ['docs.corp', 'wiki.corp'],
  );
  const routed = atDevice.flatMap((item) => (item.kind === 'route' ? [item.id] : [])).sort();
  assert.deepEqual(routed, ['100.96.0.1/32', '100.96.0.2/32', `${v6(1)}/128`, `${v6(2)}/128`]);
  assert.deepEqual(
    atDevice.filter((item) => item.kind === 'probe'),
    [],
  );
});

test('names decide like addresses, and only names open a virtual address', () => {
  const wide: WorldChange = { kind: 'resource', id: 'wide', value: resource('wide', ['100.0.0.0/8', 'fd50:1::/32']) };
  const all: WorldChange = {
    kind: 'policy',
    id: 'all',
    value: policy('all', 2, { allDevices: true, resources: ['wide'], rule: 'free' }),
  };
  const world = World.empty(settings).with([...changes, wide, all]);
  const compiler = compiled([wide, all]);
  const ask = (destination: string, port: number) => {
    const query = { device: 'd1', destination, protocol: 'tcp', port, at: 0 } as const;
    const { steps: _, ...verdict } = evaluate(world, query);
    assert.deepEqual(compiler.decide(query), verdict);
    return verdict.allowed;
  };
  assert.deepEqual(
    [ask('100.96.0.1', 443), ask('100.96.0.2', 443), ask(v6(1), 443), ask('100.96.0.1', 80)],
    [true, true, true, false],
  );
  assert.deepEqual([ask('100.96.0.3', 443), ask(v6(3), 443), ask('100.96.0.9', 443)], [false, false, false]);
  assert.equal(ask('100.1.0.1', 80), true, 'the rest of the wide prefix is open');
  for (const { ranges } of classesIn(compiler.items('g1')))
    assert.ok(
      ranges.every((range) => !range.startsWith('100.64.') && range !== '100.96.0.0-100.127.255.255'),
      ranges.join(),
    );
  assert.deepEqual(
    [...gatewaysFor(world, 'd1', 0).values()].flat().filter((prefix) => prefix.startsWith('100.96.')),
    ['100.96.0.1/32', '100.96.0.2/32'],
  );
});

test('an internet resource around a virtual address does not decide about it', () => {
  const everything = [{ id: 'all', prefix: '0.0.0.0/0', ports: [tcp(80)] }];
  const more: WorldChange[] = [
    { kind: 'resource', id: 'net', value: resource('net', everything, { type: 'INTERNET', gateways: [] }) },
    {
      ...{ kind: 'policy', id: 'out' },
      value: policy('out', 1, { type: 'INTERNET', allDevices: true, resources: ['net'], rule: 'free' }),
    },
  ];
  const query = { device: 'd1', destination: '100.96.0.1', protocol: 'tcp', port: 80, at: 0 } as const;
  const { steps: _, ...verdict } = evaluate(World.empty(settings).with([...changes, ...more]), query);
  assert.deepEqual(compiled(more).decide(query), verdict);
  assert.equal(verdict.allowed, false);
});

test('a deny of a name closes it, and a deny of a wide prefix around its address does not', () => {
  const denied = compiled([
    { kind: 'policy', id: 'no', value: policy('no', 0, { allow: false, allDevices: true, resources: ['wiki'] }) },
  ]);
  assert.deepEqual(namesIn(denied.items('d1')), []);
  const around = compiled([
    { kind: 'resource', id: 'wide', value: resource('wide', ['100.0.0.0/8']) },
    { kind: 'policy', id: 'no', value: policy('no', 0, { allow: false, allDevices: true, resources: ['wide'] }) },
  ]);
  assert.equal(namesIn(around.items('d1')).length, 2);
});

test('gateways with names know what policies deny by name, through every change', () => {
  const compiler = compiled([
    { kind: 'gateway', id: 'g2', value: gateway('g2') },
    { kind: 'resource', id: 'far', value: resource('far', ['10.9.0.0/30', '10.8.0.1/32'], { gateways: ['g2'] }) },
  ]);
  const denied = (id: string) =>
    compiler.items(id).flatMap((item) => (item.kind === 'gateway' ? [item.deniedRanges] : []))[0];
  const apply = (...more: WorldChange[]) => compiler.apply(more, 0);
  const no = policy('no', 0, { allow: false, devices: ['d9'], resources: ['far', 'vault'] });
  assert.equal(denied('g1'), undefined);
  apply({ kind: 'policy', id: 'no', value: no });
  assert.deepEqual(denied('g1'), ['10.8.0.1-10.8.0.1', '10.9.0.0-10.9.0.3'], 'and no virtual address');
  assert.equal(denied('g2'), undefined, 'it carries no name');
  apply({ kind: 'resource', id: 'far', value: resource('far', ['10.8.0.1/32'], { gateways: ['g2'] }) });
  assert.deepEqual(denied('g1'), ['10.8.0.1-10.8.0.1']);
  apply({ kind: 'resource', id: 'more', value: resource('more', named('more.corp', 7), { gateways: ['g2'] }) });
  assert.deepEqual(denied('g2'), ['10.8.0.1-10.8.0.1'], 'its first name');
  apply({ kind: 'resource', id: 'more', value: null });
  assert.equal(denied('g2'), undefined, 'its last name is gone');
  apply({ kind: 'policy', id: 'no', value: { ...no, resources: ['vault'] } });
  assert.equal(denied('g1'), undefined);
  apply({ kind: 'policy', id: 'no', value: no }, { kind: 'policy', id: 'no', value: null });
  assert.equal(denied('g1'), undefined);
  apply({ kind: 'policy', id: 'no', value: { ...no, resources: [], allResources: true } });
  assert.equal(denied('g1'), undefined, 'a deny of all resources covers names by itself');
});

test('people see the names that they reach, and no virtual address', () => {
  const world = World.empty(settings).with(changes);
  const rows = [...reachableSteps(world, 0, ['d1'])].filter((row) => row !== null);
  assert.deepEqual(
    rows.map(({ resource: id, addresses }) => [id, addresses]),
    [['wiki', ['docs.corp', 'wiki.corp'].map((prefix) => ({ prefix, ports }))]],
  );
});

test('a name under a wildcard is one of the resource, and the wildcard stands for it where people look', () => {
  const covered = (name: string, n: number): WorldAddress[] =>
    named(name, n).map((address) => ({ ...address, wildcard: '*.corp' }));
  const corp = resource('corp', [...named('*.corp', 5), ...covered('wiki.corp', 1), ...covered('new.corp', 6)]);
  const more: WorldChange[] = [
    { kind: 'resource', id: 'corp', value: corp },
    { kind: 'policy', id: 'c', value: policy('c', 2, { allDevices: true, resources: ['corp'], rule: 'free' }) },
  ];
  const compiler = compiled(more);
  const name = (id: string) => namesIn(compiler.items('g1')).find((item) => item.id === id);
  assert.deepEqual(
    ['wiki.corp', 'new.corp', '*.corp'].map((id) => name(id)?.resources.map((one) => one.id)),
    [['wiki'], [], []],
    'only exact names have results of their own',
  );
  const atDevice = namesIn(compiler.items('d1')).map(({ id }) => id);
  assert.deepEqual(atDevice.sort(), ['*.corp', 'docs.corp', 'new.corp', 'wiki.corp']);
  const world = World.empty(settings).with([...changes, ...more]);
  const rows = [...reachableSteps(world, 0, ['d1'])].filter((row) => row !== null);
  assert.deepEqual(rows.find((row) => row.resource === 'corp')?.addresses, [{ prefix: '*.corp', ports }]);
  const no = policy('no', 0, { allow: false, allDevices: true, resources: ['wiki'] });
  compiler.apply([{ kind: 'policy', id: 'no', value: no }], 0);
  const left = namesIn(compiler.items('d1')).map(({ id }) => id);
  assert.deepEqual(left.sort(), ['*.corp', 'new.corp'], 'a deny of one resource denies the names that it has');
});

test('a name has an address in each network, and each is carried there alone', () => {
  const at = (n: number, gateways: string[]) => named('wiki.corp', n).map((address) => ({ ...address, gateways }));
  const wiki = resource('wiki', [...at(1, ['g1', 'g3']), ...at(2, ['g2'])], { gateways: ['g2', 'g1', 'g3'] });
  const more: WorldChange[] = [
    { kind: 'gateway', id: 'g2', value: gateway('g2') },
    { kind: 'gateway', id: 'g3', value: gateway('g3') },
    { kind: 'resource', id: 'wiki', value: wiki },
  ];
  const compiler = compiled(more);
  const addresses = (id: string) => namesIn(compiler.items(id)).find(({ id }) => id === 'wiki.corp')?.addresses;
  assert.deepEqual(
    [addresses('g1'), addresses('g2')],
    [
      ['100.96.0.1', v6(1)],
      ['100.96.0.2', v6(2)],
    ],
  );
  assert.deepEqual(addresses('d1'), ['100.96.0.2', v6(2), '100.96.0.1', v6(1)], 'in the order of gateways');
  const routes = compiler.items('d1').flatMap((item) => (item.kind === 'route' ? [[item.id, item.gateways]] : []));
  assert.deepEqual(Object.fromEntries(routes)['100.96.0.1/32'], ['g1', 'g3'], 'within a network others take over');
  assert.deepEqual(Object.fromEntries(routes)['100.96.0.2/32'], ['g2']);
  const world = World.empty(settings).with([...changes, ...more]);
  const ask = (destination: string, at: string) => {
    const query = { device: 'd1', destination, protocol: 'tcp', port: 443, gateway: at, at: 0 } as const;
    const { steps: _, ...verdict } = evaluate(world, query);
    assert.deepEqual(compiler.decide(query), verdict);
    return verdict.allowed;
  };
  assert.deepEqual(
    [ask('100.96.0.1', 'g1'), ask('100.96.0.1', 'g2'), ask('100.96.0.2', 'g2'), ask('100.96.0.2', 'g3')],
    [true, false, true, false],
  );
  const plain = gatewaysFor(world, 'd1', 0);
  assert.deepEqual(
    ['g1', 'g2'].map((id) => plain.get(id)?.filter((prefix) => prefix.startsWith('100.96.0.'))),
    [['100.96.0.1/32'], ['100.96.0.2/32']],
  );
});

test('a gateway through which devices come in passes on the name of another network', () => {
  const at = (n: number, gateways: string[]) => named('wiki.corp', n).map((address) => ({ ...address, gateways }));
  const wiki = resource('wiki', [...at(1, ['g1']), ...at(2, ['g2'])], { gateways: ['g1', 'g2'] });
  const compiler = compiled([
    { kind: 'gateway', id: 'g1', value: gateway('g1', { relayEnabled: true }) },
    { kind: 'gateway', id: 'g2', value: gateway('g2') },
    { kind: 'resource', id: 'wiki', value: wiki },
    { kind: 'device', id: 'd1', value: device('d1', { native: false, entryGateway: 'g1' }) },
  ]);
  const items = compiler.items('g1');
  const classOf = (address: string) => classesIn(items).find(({ ranges }) => ranges.includes(`${address}-${address}`));
  const cells = items.flatMap((item) => (item.kind === 'profile' ? item.cells : []));
  const onward = (address: string) => cells.find((cell) => cell.class === classOf(address)?.id)?.onward === true;
  assert.deepEqual([onward('100.96.0.1'), onward('100.96.0.2')], [false, true]);
});
