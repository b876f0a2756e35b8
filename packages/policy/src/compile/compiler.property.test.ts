import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StateHash, StateItem } from '@sallyport/contract/channel';
import { parseRange, rangesOverlap } from '@sallyport/ip';
import fc from 'fast-check';
import { evaluate } from '../evaluate.ts';
import { admits } from '../testing/admits.ts';
import {
  allDestinations,
  allPorts,
  change,
  deviceIds,
  gatewayIds,
  instant,
  packet,
  population,
} from '../testing/arbitrary.ts';
import { assertUntil } from '../testing/assert-until.ts';
import { changesOf, changesTo, policy, rule, settings } from '../testing/build.ts';
import { admittedBy } from '../testing/entry.ts';
import { World } from '../world.ts';
import { TenantCompiler } from './compiler.ts';

/** Rounds of changes, with some time between rounds. */
const pause = fc.oneof(fc.constant(0), fc.nat(3_600_000), fc.nat(5 * 86_400_000), fc.constant(40 * 86_400_000));
const steps = fc.array(fc.tuple(fc.array(change, { maxLength: 3 }), pause), { maxLength: 15 });

test('compiled items admit exactly the packets that evaluate allows, by the same policy', () => {
  let admitted = 0;
  assertUntil(
    () => admitted > 300,
    fc.property(population, fc.array(packet, { minLength: 30, maxLength: 60 }), instant, (changes, packets, at) => {
      const compiler = compiled(changes, at);
      for (const gateway of gatewayIds) {
        const items = compiler.items(gateway);
        for (const one of packets) {
          const by = admittedBy(compiler.world, one, gateway, at);
          assert.equal(admits(items, one, at), by, JSON.stringify({ gateway, one }));
          if (by !== null) admitted++;
        }
      }
    }),
    { numRuns: 300 },
  );
  assert.ok(admitted > 300, `random worlds must admit something: ${admitted}`);
});

test('compiled items agree with evaluate on every address and port of a few worlds', () => {
  fc.assert(
    fc.property(population, instant, (changes, at) => {
      const compiler = compiled(changes, at);
      for (const gateway of gatewayIds) {
        const items = compiler.items(gateway);
        for (const device of deviceIds)
          for (const destination of allDestinations)
            for (const port of [allPorts[4], allPorts[15], allPorts.at(-2), allPorts.at(-1)]) {
              if (port === undefined) continue;
              const one = { device, destination, ...port };
              assert.equal(
                admits(items, one, at),
                admittedBy(compiler.world, one, gateway, at),
                JSON.stringify({ gateway, one }),
              );
            }
      }
    }),
    { numRuns: 10 },
  );
});

test('a query without a gateway is allowed exactly when some gateway admits the packet', () => {
  fc.assert(
    fc.property(population, fc.array(packet, { minLength: 20, maxLength: 40 }), instant, (changes, packets, at) => {
      const world = World.empty(settings).with(changes);
      for (const one of packets) {
        const anywhere = evaluate(world, { ...one, at });
        const through = gatewayIds.filter((gateway) => evaluate(world, { ...one, gateway, at }).allowed);
        assert.equal(anywhere.allowed, through.length > 0);
        if (anywhere.allowed) assert.ok(anywhere.gateways.every((gateway) => through.includes(gateway)));
      }
    }),
    { numRuns: 100 },
  );
});

test('every sequence of changes to a world and moment gives the same items and hashes, and deltas tell every change', () => {
  fc.assert(
    fc.property(population, instant, steps, (first, start, later) => {
      let now = start;
      const compiler = new TenantCompiler(settings);
      for (const device of deviceIds) compiler.follow(device);
      const mirror = new Map<string, Map<string, StateItem>>();
      for (const [changes, wait] of [[first, 0] as const, ...later]) {
        now += wait;
        const known = new Set([...compiler.world.gateways.keys(), ...compiler.world.devices.keys()]);
        const deltas = compiler.apply(changes, now);
        for (const [agent, delta] of deltas) {
          const copy = mirror.get(agent) ?? new Map();
          mirror.set(agent, copy);
          for (const key of delta.removes) assert.ok(copy.delete(key), `removes what is not there: ${key}`);
          for (const item of delta.upserts) {
            assert.notDeepEqual(copy.get(item.key), item, 'an upsert changes something');
            copy.set(item.key, item);
          }
        }
        for (const agent of known)
          if (!compiler.world.gateways.has(agent) && !compiler.world.devices.has(agent)) mirror.delete(agent);

        const scratch = compiled(changesTo(compiler.world), now);
        for (const device of deviceIds) scratch.follow(device);
        for (const agent of [...gatewayIds, ...deviceIds]) {
          const items = byKey(compiler.items(agent));
          assert.deepEqual(items, byKey(scratch.items(agent)), `${agent} as from scratch`);
          assert.deepEqual(items, byKey([...(mirror.get(agent)?.values() ?? [])]), `${agent} as by deltas`);
          assert.equal(compiler.hash(agent), scratch.hash(agent));
          assert.equal(compiler.hash(agent), StateHash.of(items.values()).toString());
        }
        assert.equal(compiler.nextDeadline(), scratch.nextDeadline());
      }
    }),
    { numRuns: 150 },
  );
});

test('gateways are as from scratch after each change, and devices once they are renewed, whatever came meanwhile', () => {
  fc.assert(
    fc.property(population, instant, steps, fc.array(fc.nat(3)), (first, start, later, pauses) => {
      let now = start;
      const compiler = new TenantCompiler(settings);
      for (const device of deviceIds) compiler.follow(device);
      const hashes = new Map(deviceIds.map((id) => [id, compiler.hash(id)]));
      const renew = (most: number) => {
        for (const [device] of most === 0 ? [] : compiler.renewDevices()) {
          const hash = compiler.hash(device);
          hashes.set(device, hash);
          if (--most === 0) break;
        }
      };
      for (const [n, [changes, wait]] of [[first, 0] as const, ...later].entries()) {
        now += wait;
        compiler.applyToGateways(changes, now);
        const scratch = compiled(changesTo(compiler.world), now);
        for (const gateway of gatewayIds) assert.equal(compiler.hash(gateway), scratch.hash(gateway));
        renew(pauses[n] ?? 0);
        const [one = ''] = deviceIds;
        scratch.follow(one);
        compiler.renewDevice(one);
        hashes.set(one, compiler.hash(one));
        assert.equal(compiler.hash(one), scratch.hash(one), 'a device that is asked for');
        // The deletion of a device comes as such, without a delta.
        for (const id of deviceIds)
          if (compiler.world.devices.has(id))
            assert.equal(compiler.hash(id), hashes.get(id), 'no state changes untold');
          else hashes.set(id, compiler.hash(id));
      }
      renew(Number.POSITIVE_INFINITY);
      const scratch = compiled(changesTo(compiler.world), now);
      for (const device of deviceIds) {
        scratch.follow(device);
        assert.equal(compiler.hash(device), scratch.hash(device));
        assert.equal(compiler.hash(device), StateHash.of(compiler.items(device)).toString());
      }
    }),
    { numRuns: 150 },
  );
});

test('without advance nothing stays open that evaluate closes; with advance on time all agrees with evaluate', () => {
  let [closed, opened] = [0, 0];
  assertUntil(
    () => closed > 4 && opened > 4,
    fc.property(population, instant, fc.array(packet, { minLength: 20, maxLength: 30 }), (changes, start, packets) => {
      const compiler = compiled(changes, start);
      for (let step = 0, now = start; step < 4; step++) {
        const deadline = compiler.nextDeadline();
        const moments = deadline === null ? [now + 86_400_000] : [deadline - 1, deadline, deadline + 5_400_000];
        for (const gateway of gatewayIds) {
          const items = compiler.items(gateway);
          for (const at of moments)
            for (const one of packets) {
              const by = admittedBy(compiler.world, one, gateway, at);
              const admitted = admits(items, one, at);
              const text = JSON.stringify({ gateway, one, at: new Date(at) });
              if (at < (deadline ?? Infinity)) assert.equal(admitted, by, text);
              else if (admitted !== null) assert.ok(by !== null, text);
              if (at === deadline && by !== null && admitted === null) opened++;
              if (admits(items, one, now) !== null && by === null) closed++;
            }
        }
        if (deadline === null) break;
        now = deadline;
        compiler.advance(now);
        for (const gateway of gatewayIds)
          for (const one of packets) {
            const by = admittedBy(compiler.world, one, gateway, now);
            assert.equal(admits(compiler.items(gateway), one, now), by, JSON.stringify({ gateway, one, now }));
          }
      }
    }),
    { numRuns: 120 },
  );
  assert.ok(closed > 4 && opened > 4, `windows must close and open: ${closed}, ${opened}`);
});

test('without advance, access that never ends stays open, whatever windows share its cell', () => {
  let [lasting, besideWindows] = [0, 0];
  assertUntil(
    () => lasting > 20 && besideWindows > 3,
    fc.property(population, instant, fc.array(packet, { minLength: 20, maxLength: 40 }), (changes, now, packets) => {
      const compiler = compiled([...changes, ...windowsFor(now)], now);
      for (const gateway of gatewayIds) {
        const items = compiler.items(gateway);
        for (const one of packets) {
          const { allowed, validUntil } = evaluate(compiler.world, { ...one, gateway, at: now });
          if (!allowed || validUntil !== null || admits(items, one, now) === null) continue;
          const later = admits(items, one, now + 400 * 86_400_000);
          assert.notEqual(later, null, JSON.stringify({ gateway, one }));
          lasting++;
        }
        for (const item of items)
          if (item.kind === 'profile') besideWindows += item.cells.filter(({ after }) => after !== undefined).length;
      }
    }),
    { numRuns: 600 },
  );
  assert.ok(lasting > 20 && besideWindows > 3, `${lasting} lasting grants, ${besideWindows} cells with successors`);
});

test('validUntil of a decision is the first moment at which the decision changes', () => {
  let ended = 0;
  assertUntil(
    () => ended > 20,
    fc.property(
      population,
      packet,
      instant,
      fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 5 }),
      (changes, one, at, parts) => {
        const world = World.empty(settings).with(changes);
        const { allowed, policy, validUntil } = evaluate(world, { ...one, at });
        const end = validUntil ?? at + 20 * 86_400_000;
        for (const part of [...parts, 0.999999]) {
          const later = evaluate(world, { ...one, at: Math.min(end - 1, Math.floor(at + part * (end - at))) });
          assert.deepEqual([later.allowed, later.policy], [allowed, policy]);
        }
        if (validUntil === null || validUntil - at >= 8 * 86_400_000) return;
        const then = evaluate(world, { ...one, at: validUntil });
        if (then.allowed === allowed && then.policy === policy)
          assert.ok(validUntil - at > 86_400_000, 'as far as it looks');
        else ended++;
      },
    ),
    { numRuns: 4000 },
  );
  assert.ok(ended > 20, `random decisions must end: ${ended}`);
});

test('decide answers as evaluate does, after any changes', () => {
  const rounds = fc.array(fc.array(change, { minLength: 1, maxLength: 3 }), { maxLength: 5 });
  fc.assert(
    fc.property(
      population,
      rounds,
      fc.array(packet, { minLength: 10, maxLength: 20 }),
      instant,
      (first, later, packets, at) => {
        const compiler = new TenantCompiler(settings);
        for (const changes of [first, ...later]) {
          compiler.apply(changes, at);
          for (const one of packets)
            for (const gateway of [null, ...gatewayIds.slice(0, 2)]) {
              const query = { ...one, at, ...(gateway === null ? {} : { gateway }) };
              const { steps: _, ...verdict } = evaluate(compiler.world, query);
              assert.deepEqual(compiler.decide(query), verdict, JSON.stringify(query));
            }
        }
      },
    ),
    { numRuns: 150 },
  );
});

test('items are valid on the wire and complete, none is unused, and classes are disjoint', () => {
  fc.assert(
    fc.property(population, steps, (first, later) => {
      const compiler = compiled(first);
      for (const [changes] of later) compiler.apply(changes, 0);
      for (const gateway of compiler.world.gateways.keys()) assertWhole(compiler.items(gateway));
      for (const device of deviceIds) {
        compiler.follow(device);
        for (const item of compiler.items(device)) StateItem.parse(withUuids(item));
      }
    }),
    { numRuns: 100 },
  );
});

/** Policies that open everything: one resource for three hours, the others for thirty. */
function windowsFor(now: number): ReturnType<typeof changesOf> {
  const until = (hours: number) => `time.before('${new Date(now + hours * 3_600_000).toISOString().slice(0, 16)}')`;
  return changesOf({
    rules: [rule('soon', until(3)), rule('later', until(30))],
    policies: [
      policy('soon', 2000, { allDevices: true, resources: ['r1'], rule: 'soon' }),
      policy('later', 2001, { allDevices: true, allResources: true, rule: 'later' }),
    ],
  });
}

function compiled(changes: Parameters<TenantCompiler['apply']>[0], at = 0): TenantCompiler {
  const compiler = new TenantCompiler(settings);
  compiler.apply(changes, at);
  return compiler;
}

function byKey(items: Iterable<StateItem>): Map<string, StateItem> {
  return new Map([...items].sort((a, b) => (a.key < b.key ? -1 : 1)).map((item) => [item.key, item]));
}

/** The worlds of these tests have short ids. */
function withUuids(item: StateItem): unknown {
  return JSON.parse(
    JSON.stringify(item).replace(
      /"([gd])([1-9])"/g,
      (_, kind, n) => `"0000000${n}-0000-4000-8000-${(kind as string).repeat(12).replaceAll('g', 'a')}"`,
    ),
  );
}

/** Asserts that every item is used, and that every item named by another exists. */
function assertWhole(items: readonly StateItem[]): void {
  const used = new Set([
    'gateway',
    ...items.filter(({ kind }) => !['profile', 'class', 'bundle'].includes(kind)).map((i) => i.key),
  ]);
  for (const item of items) {
    StateItem.parse(withUuids(item));
    // A device without a profile is only a peer: a rule waits to see its source address.
    if ((item.kind === 'device' || item.kind === 'site') && item.profile !== null) used.add(`profile/${item.profile}`);
    if (item.kind !== 'profile') continue;
    assert.ok(item.cells.length > 0, 'a profile without cells is no item');
    for (const cell of item.cells) {
      used.add(`class/${cell.class}`);
      for (const { bundle } of [cell, ...(cell.after ?? [])]) used.add(`bundle/${bundle}`);
    }
  }
  assert.deepEqual(new Set(items.map(({ key }) => key)), used);

  const ranges = items.flatMap((item) => (item.kind === 'class' ? item.ranges : [])).map((text) => parseRange(text));
  for (const [i, a] of ranges.entries())
    for (const b of ranges.slice(i + 1)) assert.ok(a !== null && b !== null && !rangesOverlap(a, b), 'disjoint');
}
