import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RouteItem, StateItem } from '@sallyport/contract/channel';
import { parseAddress, parsePrefix, rangeContains, rangesOverlap } from '@sallyport/ip';
import fc from 'fast-check';
import { accessPairs } from '../../access.ts';
import { conditionOf, isAttachable, matchesDevice, matchesResource } from '../../matching.ts';
import { inputsOf } from '../../rules/index.ts';
import { ruleOutcome } from '../../rules/outcome.ts';
import { allDestinations, allPorts, deviceIds, gatewayIds, instant, population } from '../../testing/arbitrary.ts';
import { assertUntil } from '../../testing/assert-until.ts';
import { policy, settings } from '../../testing/build.ts';
import type { WorldChange, WorldDevice, WorldPolicy, WorldResource } from '../../types.ts';
import type { World } from '../../world.ts';
import { TenantCompiler } from '../compiler.ts';

/** Compares what devices and relays are told with `decide`. Another test compares `decide` with `evaluate`. */

test('a route has the gateways of the narrowest resource that admit some port, in its order; there are no other routes', () => {
  let [routed, several] = [0, 0];
  forDevices(60, ({ compiler, world, at }, device, items) => {
    const routes = ofKind(items, 'route');
    for (const destination of allDestinations) {
      if (isInternet({ compiler, world, at }, device, destination)) continue;
      const expected = wayTo({ compiler, world, at }, device, destination);
      const route = longest(routes, destination);
      if (expected === null) assert.ok(route === undefined || route.resources.length === 0, destination);
      else {
        assert.deepEqual([route?.gateways, route?.mode], [expected.gateways, expected.mode], destination);
        assert.ok(route?.resources.includes(expected.resource), destination);
        routed++;
        if (expected.gateways.length > 1) several++;
      }
    }
  });
  assert.ok(routed > 20 && several > 5, `random worlds must have routes: ${routed}, ${several}`);
});

test('routes are disjoint except those of a full tunnel, and each of their gateways is a peer', () => {
  let [tunnels, peers] = [0, 0];
  forDevices(150, ({ world }, device, items) => {
    const routes = ofKind(items, 'route');
    if (routes.some(({ id }) => /\/[01]$/.test(id))) tunnels++;
    const narrow = routes
      .filter(({ resources }) => resources.length > 0)
      .map(({ id }) => parsePrefix(id) ?? assert.fail(id));
    for (const [i, a] of narrow.entries()) for (const b of narrow.slice(i + 1)) assert.ok(!rangesOverlap(a, b));
    const known = new Set(ofKind(items, 'peer').map(({ id }) => id));
    for (const { gateways } of routes) for (const id of gateways) assert.ok(known.has(id), id);
    for (const id of known) {
      const { publicKey, intent } = world.gateways.get(id) ?? assert.fail(id);
      assert.ok(publicKey !== null && intent !== 'OFFLINE');
    }
    peers += known.size;
    if (!device.active) assert.ok(items.every(({ kind }) => kind === 'client'));
  });
  assert.ok(tunnels > 5 && peers > 50, `${tunnels}, ${peers}`);
});

test('a gateway is a peer of a device only while the gateway has the device as a peer', () => {
  let peers = 0;
  assertUntil(
    () => peers > 50,
    fc.property(population, instant, (changes, at) => {
      const compiler = compiled(changes, at);
      for (const device of deviceIds) {
        // A full tunnel remains, even when resources cover the whole internet.
        const outlets = ofKind(compiler.items(device), 'route').filter(({ resources }) => resources.length === 0);
        const tunnel = new Set(outlets.flatMap(({ gateways }) => gateways));
        for (const { id } of ofKind(compiler.items(device), 'peer')) {
          if (tunnel.has(id)) continue;
          peers++;
          assert.ok(
            ofKind(compiler.items(id), 'device').some((item) => item.id === device),
            `${id} knows ${device}`,
          );
        }
      }
    }),
    { numRuns: 150 },
  );
  assert.ok(peers > 50, `${peers}`);
});

test('a device is told exactly about the resources that policies name for it, with the true state of each', () => {
  let [open, denied] = [0, 0];
  forDevices(150, ({ world, at }, device, items) => {
    const named = new Set(
      [...world.resources.values()]
        .filter((resource) => allows(world, device).some((policy) => matchesResource(policy, resource)))
        .map(({ id }) => id),
    );
    const told = items.flatMap((item) => {
      if (item.kind === 'resource') return [item.id];
      return item.kind === 'route' ? item.resources : item.kind === 'peer' ? item.unreachable : [];
    });
    for (const id of told) assert.ok(named.has(id), `${id} is not named for ${device.id}`);

    const reached = new Set(
      [...accessPairs(world, at)].filter((pair) => pair.device === device.id).map(({ resource }) => resource),
    );
    const resources = new Map(ofKind(items, 'resource').map((item) => [item.id, item]));
    for (const id of named) {
      if (!isAttachable(world.resources.get(id)?.type ?? 'INTERNET')) continue;
      const item = resources.get(id) ?? assert.fail(`${id} is not listed`);
      if (item.denied === null) assert.ok(reached.has(id), `${id} is not reached`);
      else if (!reached.has(id)) denied++;
      if (item.denied === null) open++;
    }
  });
  assert.ok(open > 30 && denied > 30, `${open}, ${denied}`);
});

test('a pair is relayed exactly while the gateway grants the device anything and the relay can be reached', () => {
  let [relayed, not] = [0, 0];
  assertUntil(
    () => relayed > 5 && not > 5,
    fc.property(population, instant, fc.boolean(), (changes, at, open) => {
      const compiler = compiled(open ? opened(changes) : changes, at);
      const { world } = compiler;
      for (const { id, a, b, relay, port } of world.relays.values()) {
        const device = world.devices.get(a);
        const [gateway, by] = [world.gateways.get(b), world.gateways.get(relay)];
        const items = gatewayIds.flatMap((g) => ofKind(compiler.items(g), 'relay').filter((item) => item.id === id));
        if (device === undefined) continue;
        const { native } = device;
        const usable = gateway !== undefined && gateway.publicKey !== null && gateway.intent !== 'OFFLINE';
        const reached =
          by?.relayEnabled === true &&
          by.publicKey !== null &&
          by.intent !== 'OFFLINE' &&
          by.endpoints.length > 0 &&
          by.relayPorts.from < port &&
          port <= by.relayPorts.to &&
          relay !== b;
        assert.equal(
          items.length,
          native && usable && reached && admitsAnything({ compiler, world, at }, a, b) ? 1 : 0,
        );
        const told = ofKind(compiler.items(b), 'device').find((item) => item.id === a)?.relay ?? null;
        if (items.length === 0 && ![...world.relays.values()].some((r) => r.id !== id && r.a === a && r.b === b))
          assert.equal(told, null);
        if (items.length > 0) {
          assert.ok(ofKind(compiler.items(relay), 'relay').some((item) => item.id === id));
          assert.notEqual(told, null);
          relayed++;
        } else not++;
      }
    }),
    { numRuns: 200 },
  );
  assert.ok(relayed > 5 && not > 5, `${relayed}, ${not}`);
});

interface Moment {
  readonly compiler: TenantCompiler;
  readonly world: World;
  readonly at: number;
}

type Check = (moment: Moment, device: WorldDevice, items: readonly StateItem[]) => void;

function forDevices(numRuns: number, check: Check): void {
  fc.assert(
    fc.property(population, instant, (changes, at) => {
      const compiler = compiled(changes, at);
      for (const device of compiler.world.devices.values())
        if (device.native) check({ compiler, world: compiler.world, at }, device, compiler.items(device.id));
    }),
    { numRuns },
  );
}

function compiled(changes: Parameters<TenantCompiler['apply']>[0], at: number): TenantCompiler {
  const compiler = new TenantCompiler(settings);
  compiler.apply(changes, at);
  for (const device of deviceIds) compiler.follow(device);
  return compiler;
}

/** Adds relaying gateways, and a policy that opens many resources, to changes. */
function opened(changes: readonly WorldChange[]): WorldChange[] {
  const endpoints = ['198.51.100.7:51820'];
  const all = policy('all', 9, { allDevices: true, allResources: true });
  return [
    ...changes.map((change): WorldChange => {
      const { kind, value } = change;
      if (value === null) return change;
      if (kind === 'gateway') return { ...change, value: { ...value, relayEnabled: true, endpoints } };
      if (kind === 'relay') return { ...change, value: { ...value, port: 51960 } };
      return kind === 'device' ? { ...change, value: { ...value, active: true, native: true, user: null } } : change;
    }),
    { kind: 'policy', id: 'all', value: all },
  ];
}

function ofKind<K extends StateItem['kind']>(items: readonly StateItem[], kind: K) {
  return items.filter((item): item is StateItem & { kind: K } => item.kind === kind);
}

function longest(routes: readonly RouteItem[], destination: string): RouteItem | undefined {
  const { family, value } = parseAddress(destination) ?? assert.fail(destination);
  const around = routes.filter(({ id }) => rangeContains(parsePrefix(id) ?? assert.fail(id), family, value));
  return around.sort((a, b) => Number(b.id.split('/')[1]) - Number(a.id.split('/')[1]))[0];
}

/** Returns the route of one packet by the definition of routes. */
function wayTo({ compiler, world, at }: Moment, device: WorldDevice, destination: string) {
  const { family, value } = parseAddress(destination) ?? assert.fail(destination);
  const open = [...world.resources.values()].flatMap((resource) => {
    const policy = firstMet(world, device, resource, at);
    if (policy === undefined || !isAttachable(resource.type)) return [];
    const around = resource.addresses.filter(({ prefix }) =>
      rangeContains(parsePrefix(prefix) ?? assert.fail(prefix), family, value),
    );
    return around.flatMap(({ prefix, ports }) => {
      const gateways = resource.gateways.filter((gateway) => {
        if (world.gateways.get(gateway)?.publicKey == null) return false;
        return allPorts.some(
          ({ protocol, port }) =>
            ports.some((p) => p.protocol === protocol && p.from <= port && port <= p.to) &&
            compiler.decide({ device: device.id, destination, protocol, port, gateway, at }).allowed,
        );
      });
      return gateways.length === 0 ? [] : [{ resource, policy, gateways, length: parsePrefix(prefix)?.length ?? 0 }];
    });
  });
  const [best] = open.sort(
    (a, b) => b.length - a.length || compareWalk(a.policy, b.policy) || (a.resource.id < b.resource.id ? -1 : 1),
  );
  if (best === undefined) return null;
  const all = new Set(open.filter(({ resource }) => resource === best.resource).flatMap(({ gateways }) => gateways));
  const gateways = best.resource.gateways.filter((id) => all.has(id));
  return { gateways, mode: best.resource.mode, resource: best.resource.id };
}

/** Returns the allows that apply to a device, whether their rules are met or not. */
function allows(world: World, device: WorldDevice): WorldPolicy[] {
  return [...world.policies.values()].filter((policy) => policy.allow && matchesDevice(world, policy, device));
}

function firstMet(world: World, device: WorldDevice, resource: WorldResource, at: number): WorldPolicy | undefined {
  const met = allows(world, device).filter((policy) => {
    const rule = conditionOf(world, policy);
    const zone = world.settings.timeZone;
    return rule === null || (rule !== undefined && ruleOutcome(rule, inputsOf(world, device), at, zone).met);
  });
  return met.filter((policy) => matchesResource(policy, resource)).sort(compareWalk)[0];
}

function compareWalk(a: WorldPolicy, b: WorldPolicy): number {
  const rank = ['PRIVATE', 'SAAS', 'INTERNET'];
  return rank.indexOf(a.type) - rank.indexOf(b.type) || a.order - b.order || (a.id < b.id ? -1 : 1);
}

/** Returns whether no attachable resource covers a destination. */
function isInternet({ compiler, world, at }: Moment, { id }: WorldDevice, destination: string): boolean {
  const query = { device: id, destination, at };
  return allPorts.some(({ protocol, port }) => {
    const decision = compiler.decide({ ...query, protocol, port });
    return decision.policy !== null && world.policies.get(decision.policy)?.type === 'INTERNET';
  });
}

function admitsAnything({ compiler, at }: Moment, device: string, gateway: string): boolean {
  return allDestinations.some((destination) =>
    allPorts.some((port) => compiler.decide({ device, destination, ...port, gateway, at }).allowed),
  );
}
