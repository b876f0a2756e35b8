import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { StateItem } from '@sallyport/contract/channel';
import { parseAddress, parsePrefix, rangeContains, rangesOverlap } from '@sallyport/ip';
import fc from 'fast-check';
import { isAttachable } from '../../matching.ts';
import { allDestinations, allPorts, gatewayIds, instant, population, siteSources } from '../../testing/arbitrary.ts';
import { policy, settings } from '../../testing/build.ts';
import type { WorldChange } from '../../types.ts';
import { TenantCompiler } from '../compiler.ts';

test('tunnels between gateways have two ends, and a source is at one peer of a gateway only', () => {
  let [peers, sources] = [0, 0];
  forSites(250, ({ world }, items) => {
    for (const gateway of gatewayIds) {
      const own = ofKind(items(gateway), 'peer');
      for (const { id } of own) {
        assert.ok(
          ofKind(items(id), 'peer').some((other) => other.id === gateway),
          `${id} knows ${gateway}`,
        );
        assert.notEqual(world.gateways.get(id)?.publicKey ?? null, null);
      }
      const ranges = own.flatMap((peer) => peer.sources.map((text) => parsePrefix(text) ?? assert.fail(text)));
      for (const [i, a] of ranges.entries())
        for (const b of ranges.slice(i + 1)) assert.ok(!rangesOverlap(a, b), 'sources are disjoint');
      peers += own.length;
      sources += ranges.length;
    }
  });
  assert.ok(peers > 50 && sources > 50, `${peers}, ${sources}`);
});

test('traffic that may leave a site is routed to a gateway that admits it; what a gateway carries itself has no route', () => {
  let [ways, kept] = [0, 0];
  forSites(60, ({ world, compiler, at }, items) => {
    for (const gateway of gatewayIds) {
      const routes = ofKind(items(gateway), 'route').map((item) => ({ item, range: rangeOf(item.id) }));
      const egress = ofKind(items(gateway), 'egress');
      const own = [...world.resources.values()].filter(
        ({ type, gateways }) => isAttachable(type) && gateways.includes(gateway),
      );
      for (const destination of allDestinations) {
        const { family, value } = parseAddress(destination) ?? assert.fail(destination);
        const around = routes.filter(({ range }) => rangeContains(range, family, value));
        assert.ok(around.length <= 1, 'routes are disjoint');
        const carriers = around[0]?.item.gateways ?? [];
        if (carriers.length > 0 && own.some((r) => r.addresses.some(({ prefix }) => prefix === destination))) kept++;
        for (const source of siteSources) {
          const leaves = egress.some(
            (item) => isIn(source, item.sources) && isIn(destination, item.destinations) && carriers.length > 0,
          );
          const enters = (carrier: string) =>
            allPorts.some((port) => compiler.decide({ source, destination, ...port, gateway: carrier, at }).allowed);
          if (!leaves) continue;
          ways++;
          assert.ok(carriers.some(enters), `${source} may enter at one of ${carriers}`);
          for (const id of carriers) assert.ok(ofKind(items(id), 'peer').some((peer) => peer.id === gateway));
        }
      }
    }
  });
  assert.equal(kept, 0, 'a gateway reaches by itself what it carries as a single address');
  assert.ok(ways > 50, `random sites must have ways: ${ways}`);
});

test('what a site-to-site policy opens is routed from each of its gateways that does not carry it', () => {
  let ways = 0;
  forSites(60, ({ world, compiler, at }, items) => {
    for (const destination of allDestinations)
      for (const source of siteSources)
        for (const carrier of gatewayIds) {
          if (world.gateways.get(carrier)?.publicKey == null) continue;
          const decision = allPorts
            .map((port) => compiler.decide({ source, destination, ...port, gateway: carrier, at }))
            .find(({ allowed }) => allowed);
          const { gateways = [] } = world.policies.get(decision?.policy ?? '') ?? {};
          for (const gateway of gateways) {
            const { publicKey = null, intent } = world.gateways.get(gateway) ?? {};
            if (publicKey === null || intent === 'OFFLINE' || carries(world, gateway, destination)) continue;
            const leaves = ofKind(items(gateway), 'egress').some(
              (item) => isIn(source, item.sources) && isIn(destination, item.destinations),
            );
            const route = ofKind(items(gateway), 'route').find(({ id }) => isIn(destination, [id]));
            assert.ok(route !== undefined, `${gateway} has a way to ${destination} at ${carrier}`);
            if (route.gateways.includes(carrier)) assert.ok(leaves, `${source} may leave ${gateway} to ${destination}`);
            ways++;
          }
        }
  });
  assert.ok(ways > 50, `random sites must have ways: ${ways}`);
});

interface Moment {
  readonly compiler: TenantCompiler;
  readonly world: TenantCompiler['world'];
  readonly at: number;
}

/** Random worlds with more policies between sites. */
function forSites(numRuns: number, check: (moment: Moment, items: (gateway: string) => StateItem[]) => void): void {
  const origins = fc.shuffledSubarray(gatewayIds, { minLength: 1, maxLength: 2 });
  fc.assert(
    fc.property(population, instant, origins, (changes, at, gateways) => {
      const compiler = new TenantCompiler(settings);
      const between = policy('sites', 9, {
        type: 'SITETOSITE',
        allResources: true,
        gateways,
        sourceIps: ['192.168.1.0/24'],
      });
      const change: WorldChange = { kind: 'policy', id: 'sites', value: between };
      compiler.apply([...changes, change], at);
      check({ compiler, world: compiler.world, at }, (gateway) => compiler.items(gateway));
    }),
    { numRuns },
  );
}

function ofKind<K extends StateItem['kind']>(items: readonly StateItem[], kind: K) {
  return items.filter((item): item is StateItem & { kind: K } => item.kind === kind);
}

function rangeOf(prefix: string) {
  return parsePrefix(prefix) ?? assert.fail(prefix);
}

function isIn(address: string, prefixes: readonly string[]): boolean {
  const { family, value } = parseAddress(address) ?? assert.fail(address);
  return prefixes.some((prefix) => rangeContains(rangeOf(prefix), family, value));
}

function carries(world: TenantCompiler['world'], gateway: string, destination: string): boolean {
  return [...world.resources.values()].some(
    ({ type, gateways, addresses }) =>
      isAttachable(type) &&
      gateways.includes(gateway) &&
      isIn(
        destination,
        addresses.map(({ prefix }) => prefix),
      ),
  );
}
