import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { StateItem } from '@sallyport/contract/channel';
import { changesOf, device, gateway, policy, resource, settings } from '../../testing/build.ts';
import { TenantCompiler } from '../compiler.ts';
import { same } from '../indexes/items.ts';

const gateways = ['g1', 'g2', 'g3'];

function office(): TenantCompiler {
  const compiler = new TenantCompiler(settings);
  const everywhere = resource('r1', ['10.0.0.1'], { gateways });
  const onlyHere = resource('r2', ['10.0.0.2'], { gateways: ['g3'] });
  const objects = {
    gateways: gateways.map((id) => gateway(id)),
    devices: [device('d1')],
    resources: [everywhere, onlyHere],
    policies: [
      policy('p1', 1, { allDevices: true, resources: ['r1'] }),
      policy('p2', 2, { devices: ['d1'], resources: ['r2'] }),
    ],
  };
  compiler.apply(changesOf(objects), 0);
  return compiler;
}

const itemAt = (compiler: TenantCompiler, id: string) =>
  compiler.items(id).find((item) => item.kind === 'device') ?? assert.fail(`${id} has no device`);

test('gateways share the item about a device while they say the same', () => {
  const compiler = office();
  assert.equal(itemAt(compiler, 'g1'), itemAt(compiler, 'g2'));
  assert.notDeepEqual(itemAt(compiler, 'g1'), itemAt(compiler, 'g3'), 'g3 has another profile for it');
  const value = device('d1', { publicKey: Buffer.alloc(32, 7).toString('base64') });
  compiler.apply([{ kind: 'device', id: 'd1', value }], 1);
  assert.equal(itemAt(compiler, 'g1'), itemAt(compiler, 'g2'));
  for (const id of gateways) assert.equal((itemAt(compiler, id) as { publicKey?: string }).publicKey, value.publicKey);
});

test('a gateway that comes later takes the item that the others have', () => {
  const compiler = office();
  const more = resource('r1', ['10.0.0.1'], { gateways: [...gateways, 'g4'] });
  compiler.apply([{ kind: 'gateway', id: 'g4', value: gateway('g4') }], 1);
  compiler.apply([{ kind: 'resource', id: 'r1', value: more }], 2);
  assert.equal(itemAt(compiler, 'g4'), itemAt(compiler, 'g1'));
});

test('items are equal when their texts are, and each different field makes them differ', () => {
  const item = { kind: 'device', key: 'device/d', addresses: ['a', 'b'], relay: null, cell: { to: 1 } };
  const isSame = (other: object) => same(item as unknown as StateItem, other as unknown as StateItem);
  assert.ok(isSame(structuredClone(item)));
  assert.ok(isSame({ ...item, more: undefined }));
  const others = [
    { ...item, addresses: ['a'] },
    { ...item, addresses: ['b', 'a'] },
    { ...item, addresses: { 0: 'a', 1: 'b' } },
    { ...item, relay: 'r' },
    { ...item, relay: {} },
    { ...item, cell: { to: 2 } },
    { ...item, cell: { to: 1, after: [] } },
    { ...item, cell: null },
    { ...item, more: null },
  ];
  for (const other of others) {
    assert.equal(isSame(other), false, JSON.stringify(other));
    assert.equal(same(other as unknown as StateItem, item as unknown as StateItem), false, JSON.stringify(other));
  }
});
