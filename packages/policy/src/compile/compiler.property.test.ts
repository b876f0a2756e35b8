import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseRange, rangesOverlap } from '@sallyport/contract';
import { StateHash, StateItem } from '@sallyport/contract/channel';
import fc from 'fast-check';
import { evaluate } from '../evaluate.ts';
import { admits } from '../testing/admits.ts';
import { allDestinations, allPorts, change, deviceIds, gatewayIds, packet, population } from '../testing/arbitrary.ts';
import { changesTo, settings } from '../testing/build.ts';
import { World } from '../world.ts';
import { TenantCompiler } from './compiler.ts';

const steps = fc.array(fc.array(change, { minLength: 1, maxLength: 3 }), { maxLength: 15 });

test('compiled items admit exactly the packets that evaluate allows, by the same policy', () => {
  let admitted = 0;
  fc.assert(
    fc.property(population, fc.array(packet, { minLength: 30, maxLength: 60 }), (changes, packets) => {
      const compiler = compiled(changes);
      for (const gateway of gatewayIds) {
        const items = compiler.items(gateway);
        for (const one of packets) {
          const decision = evaluate(compiler.world, { ...one, gateway, at: 0 });
          assert.equal(admits(items, one), decision.allowed ? decision.policy : null, JSON.stringify({ gateway, one }));
          if (decision.allowed) admitted++;
        }
      }
    }),
    { numRuns: 300 },
  );
  assert.ok(admitted > 300, `random worlds must admit something: ${admitted}`);
});

test('compiled items agree with evaluate on every address and port of a few worlds', () => {
  fc.assert(
    fc.property(population, (changes) => {
      const compiler = compiled(changes);
      for (const gateway of gatewayIds) {
        const items = compiler.items(gateway);
        for (const device of deviceIds)
          for (const destination of allDestinations)
            for (const port of [allPorts[4], allPorts[15], allPorts.at(-2), allPorts.at(-1)]) {
              if (port === undefined) continue;
              const one = { device, destination, ...port };
              const decision = evaluate(compiler.world, { ...one, gateway, at: 0 });
              assert.equal(admits(items, one), decision.allowed ? decision.policy : null, JSON.stringify(one));
            }
      }
    }),
    { numRuns: 10 },
  );
});

test('without a gateway a packet is allowed exactly when some gateway admits it', () => {
  fc.assert(
    fc.property(population, fc.array(packet, { minLength: 20, maxLength: 40 }), (changes, packets) => {
      const world = World.empty(settings).with(changes);
      for (const one of packets) {
        const anywhere = evaluate(world, { ...one, at: 0 });
        const through = gatewayIds.filter((gateway) => evaluate(world, { ...one, gateway, at: 0 }).allowed);
        assert.equal(anywhere.allowed, through.length > 0);
        if (anywhere.allowed) assert.ok(anywhere.gateways.every((gateway) => through.includes(gateway)));
      }
    }),
    { numRuns: 100 },
  );
});

test('any way to a world leads to the same items and hashes, and deltas say all that changed', () => {
  fc.assert(
    fc.property(population, steps, (first, later) => {
      const compiler = new TenantCompiler(settings);
      const mirror = new Map<string, Map<string, StateItem>>();
      for (const changes of [first, ...later]) {
        const known = new Set(compiler.world.gateways.keys());
        const deltas = compiler.apply(changes);
        for (const [gateway, delta] of deltas) {
          const copy = mirror.get(gateway) ?? new Map();
          mirror.set(gateway, copy);
          for (const key of delta.removes) assert.ok(copy.delete(key), `removes what is not there: ${key}`);
          for (const item of delta.upserts) {
            assert.notDeepEqual(copy.get(item.key), item, 'an upsert changes something');
            copy.set(item.key, item);
          }
        }
        for (const gateway of known) if (!compiler.world.gateways.has(gateway)) mirror.delete(gateway);

        const scratch = compiled(changesTo(compiler.world));
        for (const gateway of gatewayIds) {
          const items = byKey(compiler.items(gateway));
          assert.deepEqual(items, byKey(scratch.items(gateway)), `${gateway} as from scratch`);
          assert.deepEqual(items, byKey([...(mirror.get(gateway)?.values() ?? [])]), `${gateway} as by deltas`);
          assert.equal(compiler.hash(gateway), scratch.hash(gateway));
          assert.equal(compiler.hash(gateway), StateHash.of(items.values()).toString());
        }
      }
    }),
    { numRuns: 150 },
  );
});

test('items are valid on the wire, complete, without leftovers, and their classes disjoint', () => {
  fc.assert(
    fc.property(population, steps, (first, later) => {
      const compiler = compiled(first);
      for (const changes of later) compiler.apply(changes);
      for (const gateway of compiler.world.gateways.keys()) assertWhole(compiler.items(gateway));
    }),
    { numRuns: 100 },
  );
});

function compiled(changes: Parameters<TenantCompiler['apply']>[0]): TenantCompiler {
  const compiler = new TenantCompiler(settings);
  compiler.apply(changes);
  return compiler;
}

function byKey(items: Iterable<StateItem>): Map<string, StateItem> {
  return new Map([...items].sort((a, b) => (a.key < b.key ? -1 : 1)).map((item) => [item.key, item]));
}

/** Every item is used, and every item that another one names is there. */
function assertWhole(items: readonly StateItem[]): void {
  const used = new Set([
    'gateway',
    ...items.filter(({ kind }) => kind === 'probe' || kind === 'device').map((i) => i.key),
  ]);
  for (const item of items) {
    StateItem.parse(item);
    if (item.kind === 'device') used.add(`profile/${item.profile}`);
    if (item.kind !== 'profile') continue;
    assert.ok(item.cells.length > 0, 'a profile without cells is no item');
    for (const cell of item.cells) used.add(`class/${cell.class}`).add(`bundle/${cell.bundle}`);
  }
  assert.deepEqual(new Set(items.map(({ key }) => key)), used);

  const ranges = items.flatMap((item) => (item.kind === 'class' ? item.ranges : [])).map((text) => parseRange(text));
  for (const [i, a] of ranges.entries())
    for (const b of ranges.slice(i + 1)) assert.ok(a !== null && b !== null && !rangesOverlap(a, b), 'disjoint');
}
