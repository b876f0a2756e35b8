import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseAddress, parsePrefix, rangeContains, rangesOverlap } from '@sallyport/contract';
import fc from 'fast-check';
import { accessDifference, accessPairs } from './access.ts';
import { evaluate } from './evaluate.ts';
import { gatewaysFor } from './gateways-for.ts';
import { allDestinations, allPorts, change, deviceIds, population } from './testing/arbitrary.ts';
import { changesTo, settings } from './testing/build.ts';
import { World } from './world.ts';

const twoWorlds = fc
  .tuple(population, fc.array(change, { minLength: 1, maxLength: 4 }))
  .map(([first, then]): [World, World] => {
    const before = World.empty(settings).with(first);
    return [before, before.with(then)];
  });

test('accessPairs is what evaluate lets each device reach of each resource, packet by packet', () => {
  let pairs = 0;
  fc.assert(
    fc.property(population, (changes) => {
      const world = World.empty(settings).with(changes);
      const found = new Set([...accessPairs(world)].map(({ device, resource }) => `${device} ${resource}`));
      assert.deepEqual(found, pairsByPacket(world));
      pairs += found.size;
    }),
    { numRuns: 12 },
  );
  assert.ok(pairs > 5, `random worlds must have access: ${pairs}`);
});

test('accessDifference counts the pairs of one world that the other does not have', () => {
  let different = 0;
  fc.assert(
    fc.property(twoWorlds, fc.nat(4), fc.boolean(), ([before, after], limit, rebuilt) => {
      const given = rebuilt ? World.empty(after.settings).with(structuredClone(changesTo(after))) : after;
      const difference = accessDifference(before, given, limit);
      const [old, now] = [before, after].map(
        (world) => new Set([...accessPairs(world)].map(({ device, resource }) => `${device} ${resource}`)),
      ) as [Set<string>, Set<string>];
      const expected = { gained: now.difference(old), lost: old.difference(now) };
      assert.equal(difference.gained, expected.gained.size);
      assert.equal(difference.lost, expected.lost.size);
      assert.equal(difference.samples.length, Math.min(limit, difference.gained + difference.lost));
      for (const { change, device, resource } of difference.samples)
        assert.ok(expected[change].has(`${device} ${resource}`));
      if (difference.gained + difference.lost > 0) different++;
    }),
    { numRuns: 400 },
  );
  assert.ok(different > 50, `random changes must change access: ${different}`);
});

test('gatewaysFor covers exactly the addresses that a device reaches, each once, by a gateway that admits it', () => {
  let covered = 0;
  fc.assert(
    fc.property(population, fc.constantFrom(...deviceIds), (changes, device) => {
      const world = World.empty(settings).with(changes);
      const routes = [...gatewaysFor(world, device)].flatMap(([gateway, prefixes]) =>
        prefixes.map((text) => ({ gateway, range: parsePrefix(text) ?? assert.fail(text) })),
      );
      for (const [i, a] of routes.entries())
        for (const b of routes.slice(i + 1)) assert.ok(!rangesOverlap(a.range, b.range), 'disjoint over gateways');
      for (const destination of allDestinations) {
        const { family, value } = parseAddress(destination) ?? assert.fail(destination);
        const route = routes.find(({ range }) => rangeContains(range, family, value));
        const admits = (gateway?: string) =>
          allPorts.some(
            (p) =>
              evaluate(world, { device, destination, ...p, at: 0, ...(gateway === undefined ? {} : { gateway }) })
                .allowed,
          );
        assert.equal(route !== undefined, admits(), destination);
        if (route === undefined) continue;
        covered++;
        assert.ok(admits(route.gateway), `${route.gateway} admits ${destination}`);
        if (world.gateways.get(route.gateway)?.intent !== 'MAINTENANCE') continue;
        for (const { id, intent } of world.gateways.values())
          assert.ok(intent !== 'ACTIVE' || !admits(id), `${id} is to carry ${destination}, not the drained gateway`);
      }
    }),
    { numRuns: 40 },
  );
  assert.ok(covered > 30, `random worlds must have routes: ${covered}`);
});

/** Brute force over every address and port worth trying. */
function pairsByPacket(world: World): Set<string> {
  const pairs = new Set<string>();
  for (const device of world.devices.keys())
    for (const destination of allDestinations)
      for (const target of allPorts)
        for (const gateway of world.gateways.keys()) {
          if (!evaluate(world, { device, destination, ...target, gateway, at: 0 }).allowed) continue;
          const { family, value } = parseAddress(destination) ?? assert.fail(destination);
          for (const resource of world.resources.values()) {
            const hit = resource.addresses.some((address) => {
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
