import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseAddress, parsePrefix, rangeContains, rangesOverlap } from '@sallyport/ip';
import fc from 'fast-check';
import { accessDifference, accessPairs } from './access.ts';
import { entryOf } from './compile/indexes/facts.ts';
import { evaluate } from './evaluate.ts';
import { gatewaysFor } from './gateways-for.ts';
import { accessMatrix } from './matrix.ts';
import { allDestinations, allPorts, change, deviceIds, gatewayIds, instant, population } from './testing/arbitrary.ts';
import { assertUntil } from './testing/assert-until.ts';
import { changesTo, policy, settings } from './testing/build.ts';
import { World } from './world.ts';

const twoWorlds = fc
  .tuple(population, fc.array(change, { minLength: 1, maxLength: 4 }))
  .map(([first, then]): [World, World] => {
    const before = World.empty(settings).with(first);
    return [before, before.with(then)];
  });

test('accessPairs agrees with evaluate for each device and resource, packet by packet', () => {
  let pairs = 0;
  // Most random worlds give no access at all, so most of the tested worlds must give some.
  for (const [numRuns, withAccess] of [
    [3, false],
    [4, true],
  ] as const) {
    fc.assert(
      fc.property(population, instant, (changes, at) => {
        const world = World.empty(settings).with(changes);
        const found = new Set([...accessPairs(world, at)].map(({ device, resource }) => `${device} ${resource}`));
        fc.pre(!withAccess || found.size > 0);
        assert.deepEqual(found, pairsByPacket(world, at));
        pairs += found.size;
      }),
      { numRuns },
    );
  }
  assert.ok(pairs >= 4, `random worlds must have access: ${pairs}`);
});

test('accessDifference counts the pairs of one world that the other does not have', () => {
  let different = 0;
  assertUntil(
    () => different > 25,
    fc.property(twoWorlds, fc.nat(4), fc.boolean(), instant, ([before, after], limit, rebuilt, at) => {
      const given = rebuilt ? World.empty(after.settings).with(structuredClone(changesTo(after))) : after;
      const difference = accessDifference(before, given, limit, at);
      const [old, now] = [before, after].map(
        (world) => new Set([...accessPairs(world, at)].map(({ device, resource }) => `${device} ${resource}`)),
      ) as [Set<string>, Set<string>];
      const expected = { gained: now.difference(old), lost: old.difference(now) };
      assert.equal(difference.gained, expected.gained.size);
      assert.equal(difference.lost, expected.lost.size);
      assert.ok(difference.unchanged <= old.intersection(now).size);
      assert.equal(difference.samples.length, Math.min(limit, difference.gained + difference.lost));
      for (const { change, device, resource } of difference.samples)
        assert.ok(expected[change].has(`${device} ${resource}`));
      if (difference.gained + difference.lost > 0) different++;
    }),
    { numRuns: 400 },
  );
  assert.ok(different > 25, `random changes must change access: ${different}`);
});

test('accessMatrix has the policies and gateways that evaluate finds for each pair, and until when they hold', () => {
  let rows = 0;
  assertUntil(
    () => rows > 3,
    fc.property(population, instant, (changes, at) => {
      const world = World.empty(settings).with(changes);
      const matrix = [...accessMatrix(world, at)];
      assert.deepEqual(
        matrix.map(({ device, resource }) => `${device} ${resource}`).sort(),
        [...accessPairs(world, at)].map(({ device, resource }) => `${device} ${resource}`).sort(),
      );
      for (const row of matrix) {
        const one = { devices: new Set([row.device]), resources: new Set([row.resource]) };
        assert.deepEqual([...accessMatrix(world, at, one)], [row]);
        assert.ok(row.policies.length > 0 && row.gateways.length > 0);
        if (row.validUntil === null) continue;
        assert.ok(row.validUntil > at);
        const later = accessMatrix(world, row.validUntil - 1, one).find(({ resource }) => resource === row.resource);
        for (const policy of row.policies)
          assert.ok(later?.policies.includes(policy) || later !== undefined, 'still open just before');
        rows++;
      }
    }),
    { numRuns: 200 },
  );
  assert.ok(rows > 3, `random worlds must have rows that end: ${rows}`);
});

test('gatewaysFor routes exactly what a device reaches, through a gateway that admits it; default routes take the rest', () => {
  let covered = 0;
  let tunnels = 0;
  let entered = 0;
  assertUntil(
    () => entered > 0 && covered > 0 && tunnels > 0,
    fc.property(population, fc.constantFrom(...deviceIds), instant, fc.boolean(), (changes, device, at, out) => {
      const world = World.empty(settings).with(out ? [...changes, accessPoint] : changes);
      const routes = [...gatewaysFor(world, device, at)].flatMap(([gateway, prefixes]) =>
        prefixes.map((text) => ({ gateway, range: parsePrefix(text) ?? assert.fail(text) })),
      );
      const known = world.devices.get(device);
      const entry = known === undefined ? null : entryOf(world, known);
      const tunnel = ['127.0.0.1', 'ff02::1'].some((reserved) => {
        const { family, value } = parseAddress(reserved) ?? assert.fail();
        return routes.some(({ range }) => rangeContains(range, family, value));
      });
      if (tunnel) tunnels++;
      else
        for (const [i, a] of routes.entries())
          for (const b of routes.slice(i + 1)) assert.ok(!rangesOverlap(a.range, b.range), 'disjoint over gateways');
      for (const destination of allDestinations) {
        const { family, value } = parseAddress(destination) ?? assert.fail(destination);
        const around = routes.filter(({ range }) => rangeContains(range, family, value));
        const route = around.sort((a, b) => b.range.length - a.range.length)[0];
        const decisionAt = (gateway?: string) =>
          allPorts.map((p) =>
            evaluate(world, { device, destination, ...p, at, ...(gateway === undefined ? {} : { gateway }) }),
          );
        const admits = (gateway?: string) => decisionAt(gateway).some(({ allowed }) => allowed);
        if (entry !== null) {
          for (const { gateway } of around) assert.equal(gateway, entry);
          if (admits()) assert.ok(route !== undefined, destination);
          entered++;
          continue;
        }
        if (!tunnel) assert.equal(route !== undefined, admits(), destination);
        else if (admits()) assert.ok(route !== undefined, destination);
        if (route === undefined || (tunnel && !admits())) continue;
        covered++;
        assert.ok(admits(route.gateway), `${route.gateway} admits ${destination}`);
        if (world.gateways.get(route.gateway)?.intent !== 'MAINTENANCE') continue;
        for (const { id, intent } of world.gateways.values())
          assert.ok(intent !== 'ACTIVE' || !admits(id), `${id} is to carry ${destination}, not the drained gateway`);
      }
    }),
    { numRuns: 80 },
  );
  assert.ok(entered > 0, 'random devices must come in through gateways');
  assert.ok(covered > 0, `random worlds must have routes: ${covered}`);
  assert.ok(tunnels > 0, `random worlds must have full tunnels: ${tunnels}`);
});

const accessPoint = {
  kind: 'policy' as const,
  id: 'out',
  value: policy('out', 7, {
    type: 'INTERNET',
    allDevices: true,
    allResources: true,
    mode: 'INTERNET_ACCESS_POINT',
    gateways: gatewayIds,
  }),
};

const isVirtual = (destination: string) => destination.startsWith('100.96.');

/** Tries every address and port worth trying. */
function pairsByPacket(world: World, at: number): Set<string> {
  const pairs = new Set<string>();
  for (const device of world.devices.keys())
    for (const destination of allDestinations)
      for (const target of allPorts)
        for (const gateway of world.gateways.keys()) {
          if (!evaluate(world, { device, destination, ...target, gateway, at }).allowed) continue;
          const { family, value } = parseAddress(destination) ?? assert.fail(destination);
          for (const resource of world.resources.values()) {
            const hit = resource.addresses.some((address) => {
              // A virtual address belongs to its names alone, and to no prefix around it.
              if ((address.name !== undefined) !== isVirtual(destination)) return false;
              const range = parsePrefix(address.prefix) ?? assert.fail(address.prefix);
              const open = address.ports.some(
                (p) => p.protocol === target.protocol && p.from <= target.port && target.port <= p.to,
              );
              return open && rangeContains(range, family, value);
            });
            if (hit && resource.type !== 'INTERNET' && resource.gateways.includes(gateway))
              pairs.add(`${device} ${resource.id}`);
          }
        }
  return pairs;
}
