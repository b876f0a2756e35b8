import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ItemChange } from '@sallyport/agent-core';
import { bundleItem, classItem, deviceItem, gatewayItem, profileItem } from '@sallyport/agent-core/testing';
import type { NameItem, StateItem } from '@sallyport/contract/channel';
import fc from 'fast-check';
import { Asking } from './asking.ts';

const names = [1, 2, 3, 4];
const nameItem = (n: number, last: number): NameItem => ({
  ...{ kind: 'name', key: `name/n${n}`, id: `n${n}`, addresses: [`100.96.0.${last}`, `fd00:5a11:0:ffff::${last}`] },
  resources: [],
});
const cell = (id: string) => ({ class: id, bundle: 'b1', expiresAt: null });

/** Classes that share out six addresses, so that they never overlap. */
const sharing = fc.array(fc.constantFrom('c1', 'c2', 'c3', null), { minLength: 6, maxLength: 6 });
const world = fc.record({
  sharing,
  numbers: fc.shuffledSubarray([1, 2, 3, 4, 5, 6], { minLength: 0, maxLength: 4 }),
  profile: fc.subarray(['c1', 'c2', 'c3']),
  devices: fc.subarray([1, 2, 3]),
  swapped: fc.boolean(),
});

type WorldPlan = typeof world extends fc.Arbitrary<infer T> ? T : never;

function itemsOf({ sharing: shares, numbers, profile, devices, swapped }: WorldPlan): StateItem[] {
  const ranges = (id: string) =>
    shares.flatMap((owner, i) =>
      owner === id
        ? [`100.96.0.${i + 1}-100.96.0.${i + 1}`, `fd00:5a11:0:ffff::${i + 1}-fd00:5a11:0:ffff::${i + 1}`]
        : [],
    );
  const classes = ['c1', 'c2', 'c3'].filter((id) => ranges(id).length > 0).map((id) => classItem(id, ranges(id)));
  const addresses = (n: number) => [`100.64.1.${swapped ? 4 - n : n}`];
  return [
    gatewayItem(),
    bundleItem('b1', [{ protocol: 'tcp', from: 80, to: 80, policy: 'p' }]),
    profileItem('p1', profile.map(cell)),
    ...classes,
    ...numbers.map((last, i) => nameItem(names[i] as number, last)),
    ...devices.map((n) => deviceItem(n, { addresses: addresses(n), ...(n === 3 && { profile: null }) })),
  ];
}

const keyed = (items: readonly StateItem[]) => new Map(items.map((item) => [item.key, item]));

function changesOf(before: ReadonlyMap<string, StateItem>, after: ReadonlyMap<string, StateItem>): ItemChange[] {
  return [...new Set([...before.keys(), ...after.keys()])]
    .map((key) => ({ before: before.get(key) ?? null, after: after.get(key) ?? null }))
    .filter((change) => JSON.stringify(change.before) !== JSON.stringify(change.after));
}

test('after any changes, a device may ask for what a new agent would let it ask for', () => {
  fc.assert(
    fc.property(fc.array(world, { minLength: 2, maxLength: 6 }), (plans) => {
      const asking = new Asking();
      let items = new Map<string, StateItem>();
      asking.expect({ kind: 'load', items, leaseUntil: 0, retimed: false });
      for (const plan of plans) {
        const next = keyed(itemsOf(plan));
        const changes = changesOf(items, next);
        // Unchanged items stay the same objects, as in the state of an agent.
        for (const key of next.keys())
          if (!changes.some(({ after }) => after?.key === key)) next.set(key, items.get(key) as StateItem);
        asking.expect({ kind: 'change', items: next, changes, leaseUntil: 0 });
        items = next;
        const fresh = new Asking();
        fresh.expect({ kind: 'load', items, leaseUntil: 0, retimed: false });
        for (const n of [1, 2, 3, 4]) {
          const source = `100.64.1.${n}`;
          assert.equal(asking.knows(source), fresh.knows(source));
          for (const name of names)
            assert.equal(
              asking.mayAsk(source, `n${name}`, 0),
              fresh.mayAsk(source, `n${name}`, 0),
              `${source} n${name}`,
            );
        }
      }
    }),
  );
});

test('a closed data plane knows no device', () => {
  const asking = new Asking();
  const items = keyed([deviceItem(1)]);
  asking.expect({ kind: 'load', items, leaseUntil: 0, retimed: false });
  assert.equal(asking.knows('100.64.1.1'), true);
  asking.expect({ kind: 'close', reason: 'test' });
  assert.equal(asking.knows('100.64.1.1'), false);
});

test('a query for a name costs no search of all classes, with a class or without one', () => {
  const items = keyed([
    gatewayItem(),
    deviceItem(1),
    nameItem(1, 1),
    nameItem(2, 2),
    profileItem('p1', [cell('c1')]),
    classItem('c1', ['100.96.0.1-100.96.0.1']),
    bundleItem('b1', [{ protocol: 'tcp', from: 80, to: 80, policy: 'p' }]),
  ]);
  let searches = 0;
  const counted = new Proxy(items, {
    get(map, key) {
      if (key === 'values') searches += 1;
      const member = Reflect.get(map, key);
      return typeof member === 'function' ? member.bind(map) : member;
    },
  });
  const asking = new Asking();
  asking.expect({ kind: 'load', items: counted, leaseUntil: 0, retimed: false });
  searches = 0;
  for (let i = 0; i < 100; i++) {
    assert.equal(asking.mayAsk('100.64.1.1', 'n1', 0), true);
    assert.equal(asking.mayAsk('100.64.1.1', 'n2', 0), false);
  }
  assert.ok(searches <= 4, `${searches} searches`);
});
