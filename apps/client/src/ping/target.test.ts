import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PathsView, RouteView } from '@sallyport/agent-core';
import { gatewayId, peerItem, routeItem } from '@sallyport/agent-core/testing';
import type { ResourceItem, StateItem } from '@sallyport/contract/channel';
import { findTarget } from './target.ts';

const resource = (id: string, name: string, denied: string | null = null): ResourceItem => ({
  ...{ kind: 'resource', key: `resource/${id}`, id, name, denied },
});
const route = (prefix: string, carrier: string | null): RouteView => ({
  ...{ prefix, mode: 'MANUAL', resources: [], carrier, why: '', gateways: [] },
});
const all: StateItem[] = [
  peerItem(1, { name: 'berlin', addresses: ['100.64.0.1'] }),
  peerItem(2, { name: 'oslo', addresses: ['100.64.0.2', 'fd00::1'] }),
  resource('r1', 'Wiki'),
  resource('r2', 'net'),
  resource('r3', 'payroll', 'no policy'),
  resource('r4', 'twice'),
  resource('r5', 'twice'),
  routeItem('10.20.0.10', [1], { resources: ['r1'] }),
  routeItem('10.30.0.0/16', [1], { resources: ['r2'] }),
];
const items = new Map(all.map((item) => [item.key, item]));
const view: PathsView = {
  paths: [],
  routes: [route('10.20.0.10/32', gatewayId(1)), route('10.30.0.0/16', gatewayId(1)), route('10.0.0.0/8', null)],
};
const find = (text: string) => findTarget(text, items, view);

test('a resource is probed at its address, a network only at its gateway', () => {
  const at = { kind: 'address', gateway: gatewayId(1), routed: true, hints: null };
  assert.deepEqual(find('wiki'), { ...at, address: '10.20.0.10', port: null });
  assert.deepEqual(find('r1:443'), { ...at, address: '10.20.0.10', port: 443 });
  assert.deepEqual(find('net'), { ...at, address: null, port: null });
});

test('the address of a wildcard is no target', () => {
  const names = { addresses: ['100.96.0.1'], resources: [] };
  const wildcard: StateItem = { kind: 'name', key: 'name/*.corp', id: '*.corp', ...names };
  const more: StateItem[] = [resource('r6', 'corp'), wildcard, routeItem('100.96.0.1/32', [1], { resources: ['r6'] })];
  const at = (items: readonly StateItem[]) => findTarget('corp', new Map(items.map((item) => [item.key, item])), view);
  assert.deepEqual(at(more), { kind: 'none', why: 'it has wildcards only: name a host' });
  const found = at([...more, routeItem('100.96.0.2/32', [1], { resources: ['r6'] })]);
  assert.equal(found.kind === 'address' && found.address, '100.96.0.2');
});

test('an address takes the narrowest route, or bypasses the tunnel', () => {
  const to = (address: string, gateway: string | null, routed: boolean, port: number | null = null) => ({
    ...{ kind: 'address', gateway, routed, address, port, hints: null },
  });
  assert.deepEqual(find('10.30.9.9:80'), to('10.30.9.9', gatewayId(1), true, 80));
  assert.deepEqual(find('10.40.0.1'), to('10.40.0.1', null, true));
  assert.deepEqual(find('192.0.2.1'), to('192.0.2.1', null, false));
  assert.deepEqual(find('[2001:db8::1]:22'), to('2001:db8::1', null, false, 22));
});

test('a gateway is found by name, id or overlay address', () => {
  const gateway = { kind: 'gateway', gateway: gatewayId(1), address: '100.64.0.1' };
  for (const text of ['berlin', 'BERLIN', gatewayId(1), '100.64.0.1']) assert.deepEqual(find(text), gateway);
});

test('an address finds its gateway in every spelling', () => {
  for (const text of ['fd00::1', 'FD00::1', 'fd00:0:0::0001', '[Fd00::1]', '[FD00::1]:443'])
    assert.deepEqual(find(text), { kind: 'gateway', gateway: gatewayId(2), address: 'fd00::1' }, text);
  const mapped = { kind: 'gateway', gateway: gatewayId(1), address: '100.64.0.1' };
  assert.deepEqual(find('::ffff:100.64.0.1'), mapped);
  const routed = find('::ffff:10.30.9.9');
  assert.deepEqual(routed, { ...find('10.30.9.9'), gateway: gatewayId(1), routed: true });
});

test('denied, ambiguous and unknown targets are reported', () => {
  const why = (text: string) => {
    const target = find(text);
    return target.kind === 'none' ? target.why : target;
  };
  assert.equal(why('payroll'), 'payroll is denied: no policy');
  assert.equal(why('twice'), 'twice is the name of several targets: choose one by its id (r4, r5)');
  assert.match(String(why('nothing')), /no resource, gateway or address "nothing"/);
});
