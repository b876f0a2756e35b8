import assert from 'node:assert/strict';
import { test } from 'node:test';
import { device, policy, settings, worldOf } from './testing/build.ts';
import { World } from './world.ts';

test('with returns another world and does not change the first', () => {
  const before = worldOf({ devices: [device('d1'), device('d2')], policies: [policy('p', 1)] });
  const after = before.with([
    { kind: 'device', id: 'd1', value: null },
    { kind: 'policy', id: 'q', value: policy('q', 0) },
    { kind: 'settings', value: { ...settings, mtu: 1400 } },
  ]);
  assert.deepEqual([...before.devices.keys()], ['d1', 'd2']);
  assert.deepEqual([...after.devices.keys()], ['d2']);
  assert.equal(after.devices.get('d2'), before.devices.get('d2'));
  assert.deepEqual([before.settings.mtu, after.settings.mtu], [1280, 1400]);
  assert.deepEqual(
    after.policiesOf('PRIVATE').map(({ id }) => id),
    ['q', 'p'],
  );
  assert.deepEqual(
    before.policiesOf('PRIVATE').map(({ id }) => id),
    ['p'],
  );
});

test('policies are sorted by order within their type', () => {
  const world = worldOf({
    policies: [policy('c', 3), policy('a', 1), policy('s', 2, { type: 'SAAS' }), policy('b', 2), policy('b2', 2)],
  });
  assert.deepEqual(
    world.policiesOf('PRIVATE').map(({ id }) => id),
    ['a', 'b', 'b2', 'c'],
  );
  assert.deepEqual(
    world.policiesOf('SAAS').map(({ id }) => id),
    ['s'],
  );
  assert.deepEqual(World.empty(settings).policiesOf('INTERNET'), []);
});
