import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { gatewayId, routeItem } from '../testing/items.ts';
import { type Carrier, RouteChooser } from './chooser.ts';

const holdMs = 3_000;
const carrier = (over: Partial<Carrier> = {}): Carrier => ({
  name: 'g',
  standing: 'ACTIVE',
  unreachable: new Set(),
  up: true,
  rttMs: 20,
  isMeasured: true,
  readyAt: 0,
  owns: new Set(),
  ...over,
});
const down: Partial<Carrier> = { up: false, rttMs: null };

/** By number. */
function gateways(list: Readonly<Record<number, Partial<Carrier>>>): Map<string, Carrier> {
  return new Map(Object.entries(list).map(([n, over]) => [gatewayId(Number(n)), carrier(over)]));
}

function chooser(...routes: ReturnType<typeof routeItem>[]): RouteChooser {
  const made = new RouteChooser('device', holdMs);
  made.setRoutes(routes);
  return made;
}

function carrierOf(made: RouteChooser, prefix = '10.0.0.0/16', of = gateways({ 1: {}, 2: {}, 3: {} })): string | null {
  return made.view(of).find((route) => route.prefix === prefix)?.carrier ?? null;
}

describe('MANUAL', () => {
  const order = (
    now: number,
    list: Parameters<typeof gateways>[0],
    made = chooser(routeItem('10.0.0.0/16', [1, 2, 3])),
  ) => {
    made.choose(gateways(list), now);
    return carrierOf(made);
  };

  it('takes the first available gateway', () => {
    assert.equal(order(0, { 1: {}, 2: {}, 3: {} }), gatewayId(1));
    assert.equal(order(0, { 1: down, 2: {}, 3: {} }), gatewayId(2));
    assert.equal(order(0, { 1: { standing: 'MAINTENANCE' }, 2: { standing: 'ERROR' }, 3: {} }), gatewayId(3));
    assert.equal(order(0, { 2: { rttMs: 500 }, 3: { rttMs: 1 } }), gatewayId(2));
  });

  it('moves once to the gateway with the oldest report when all are reported unfit', () => {
    const made = chooser(routeItem('10.0.0.0/16', [1, 2], { resources: ['r'] }));
    const missing = { unreachable: new Set(['r']) };
    assert.equal(order(0, { 1: {}, 2: missing }, made), gatewayId(1));
    assert.equal(order(5_000, { 1: missing, 2: missing }, made), gatewayId(2), 'that may be out of date');
    assert.equal(order(60_000, { 1: missing, 2: missing }, made), gatewayId(2), 'and stays');
    assert.equal(order(61_000, { 1: {}, 2: missing }, made), gatewayId(1));
    const together = chooser(routeItem('10.0.0.0/16', [1, 2], { resources: ['r'] }));
    order(0, { 1: {}, 2: {} }, together);
    assert.equal(order(1_000, { 1: {}, 2: missing }, together), gatewayId(1));
    assert.equal(
      order(1_500, { 1: missing, 2: missing }, together),
      gatewayId(1),
      'reports of one moment move nothing',
    );
  });

  it('skips a mute gateway and reports the reason', () => {
    const mute = new Set([gatewayId(1)]);
    const made = new RouteChooser('device', holdMs, (_prefix, gateway) => mute.has(gateway));
    made.setRoutes([routeItem('10.0.0.0/16', [1, 2], { resources: ['r'] })]);
    assert.equal(order(0, { 1: {}, 2: {} }, made), gatewayId(2));
    assert.equal(order(1, { 1: {}, 2: { standing: 'ERROR' } }, made), gatewayId(2));
    assert.equal(order(2, { 1: {}, 2: down }, made), gatewayId(1));
    const [view] = made.view(gateways({ 1: {}, 2: down }));
    assert.equal(view?.gateways[0]?.against, 'the resource did not answer through it');
    mute.clear();
    order(10_000, { 1: {}, 2: {} }, made);
    assert.equal(order(20_000, { 1: {}, 2: {} }, made), gatewayId(1));
  });

  it('without any that is fit goes by MAINTENANCE, ERROR, unreachable, down', () => {
    const made = (list: Parameters<typeof gateways>[0]) =>
      order(0, list, chooser(routeItem('10.0.0.0/16', [1, 2, 3, 4], { resources: ['r'] })));
    const unreachable = { unreachable: new Set(['r']) };
    assert.equal(
      made({ 1: down, 2: unreachable, 3: { standing: 'ERROR' }, 4: { standing: 'MAINTENANCE' } }),
      gatewayId(4),
    );
    assert.equal(made({ 1: down, 2: unreachable, 3: { standing: 'ERROR' } }), gatewayId(3));
    assert.equal(made({ 1: down, 2: unreachable }), gatewayId(2));
    assert.equal(made({ 1: down }), gatewayId(1));
    assert.equal(made({}), null);
  });

  it('returns to the first gateway only after it stays up for a while', () => {
    const made = chooser(routeItem('10.0.0.0/16', [1, 2]));
    made.choose(gateways({ 1: down, 2: {} }), 0);
    const back = gateways({ 1: { readyAt: 5_000 }, 2: {} });
    assert.deepEqual(made.choose(back, 4_000), []);
    assert.equal(made.nextDeadline(), 5_000);
    assert.equal(made.choose(back, 5_000).length, 1);
    assert.equal(carrierOf(made), gatewayId(1));
  });

  it('waits as long after a report that is taken back, but leaves what is worse at once', () => {
    const made = chooser(routeItem('10.0.0.0/16', [1, 2], { resources: ['r'] }));
    made.choose(gateways({ 1: { unreachable: new Set(['r']) }, 2: {} }), 1_000);
    assert.equal(carrierOf(made), gatewayId(2));
    assert.deepEqual(made.choose(gateways({ 1: {}, 2: {} }), 1_001), []);
    assert.equal(made.choose(gateways({ 1: {}, 2: { unreachable: new Set(['r']) } }), 1_500).length, 1);
    assert.equal(carrierOf(made), gatewayId(1));
  });
});

describe('AUTOMATIC', () => {
  const prefixes = Array.from({ length: 400 }, (_, n) => `10.${n >> 8}.${n & 255}.0/24`);
  const spread = (list: Parameters<typeof gateways>[0], agent = 'device') => {
    const made = new RouteChooser(agent, holdMs);
    made.setRoutes(prefixes.map((prefix) => routeItem(prefix, [1, 2, 3, 4], { mode: 'AUTOMATIC' })));
    made.choose(gateways(list), 0);
    return made;
  };
  const shares = (made: RouteChooser) => [1, 2, 3, 4].map((n) => made.carriedBy(gatewayId(n)).length);

  it('spreads evenly over gateways that are alike, for all devices together', () => {
    const agents = ['a', 'b', 'c', 'd', 'e'].map((agent) =>
      shares(spread({ 1: {}, 2: { rttMs: 22 }, 3: { rttMs: 30 }, 4: { rttMs: 25 } }, agent)),
    );
    for (const n of [0, 1, 2, 3]) {
      const share = agents.reduce((sum, list) => sum + (list[n] ?? 0), 0);
      assert.ok(share > 400 && share < 600, `${share} of 2000`);
    }
  });

  it('excludes clearly worse gateways', () => {
    assert.equal(shares(spread({ 1: {}, 2: {}, 3: {}, 4: { rttMs: 41 } }))[3], 0);
    assert.ok((shares(spread({ 1: {}, 2: {}, 3: {}, 4: { rttMs: 40 } }))[3] ?? 0) > 0);
  });

  it('spreads a prefix over devices', () => {
    const owners = Array.from({ length: 400 }, (_, n) => {
      const made = new RouteChooser(`device ${n}`, holdMs);
      made.setRoutes([routeItem('10.0.0.0/16', [1, 2, 3, 4], { mode: 'AUTOMATIC' })]);
      made.choose(gateways({ 1: {}, 2: {}, 3: {}, 4: {} }), 0);
      return carrierOf(made);
    });
    for (const n of [1, 2, 3, 4]) {
      const share = owners.filter((id) => id === gatewayId(n)).length;
      assert.ok(share > 65 && share < 135, `${share} of 400`);
    }
  });

  it('keeps a carrier despite jitter until it is twice as far as the best', () => {
    const made = spread({ 1: {}, 2: {}, 3: {}, 4: {} });
    assert.deepEqual(made.choose(gateways({ 1: { rttMs: 10 }, 2: { rttMs: 40 }, 3: { rttMs: 35 }, 4: {} }), 1), []);
    const before = made.carriedBy(gatewayId(2));
    const moves = made.choose(gateways({ 1: { rttMs: 10 }, 2: { rttMs: 41 }, 3: { rttMs: 35 }, 4: {} }), 2);
    assert.deepEqual(moves.map(({ prefix }) => prefix).sort(), before);
  });

  it('keeps a carrier whose first measurements are slow until it has been measured', () => {
    const made = spread({ 1: {}, 2: {}, 3: {}, 4: {} });
    const before = made.carriedBy(gatewayId(2));
    const slow = { rttMs: 200 };
    assert.deepEqual(made.choose(gateways({ 1: {}, 2: { ...slow, isMeasured: false }, 3: {}, 4: {} }), 1), []);
    const moves = made.choose(gateways({ 1: {}, 2: slow, 3: {}, 4: {} }), 2);
    assert.deepEqual(moves.map(({ prefix }) => prefix).sort(), before);
  });

  it('moves only what a gateway carried when it is lost', () => {
    const made = spread({ 1: {}, 2: {}, 3: {}, 4: {} });
    const lost = made.carriedBy(gatewayId(3));
    const moves = made.choose(gateways({ 1: {}, 2: {}, 3: down, 4: {} }), 1);
    assert.deepEqual(moves.map(({ prefix }) => prefix).sort(), lost);
    assert.ok(moves.every(({ to }) => to !== gatewayId(3) && to !== null));
  });
});

describe('routes', () => {
  it('that are a peer’s own stay with it', () => {
    const made = chooser(routeItem('10.0.0.0/16', [1, 2]));
    made.choose(gateways({ 1: {}, 2: { owns: new Set(['10.0.0.0/16']) }, 3: {} }), 0);
    assert.equal(carrierOf(made), gatewayId(2));
  });

  it('found in a device stay while nothing is known, and go where something answers after that', () => {
    const made = chooser(routeItem('10.0.0.0/16', [1, 2]));
    made.adopt('10.0.0.0/16', gatewayId(2), 1_000);
    assert.deepEqual(made.choose(gateways({ 1: down, 2: down }), 0), []);
    assert.deepEqual(made.choose(gateways({ 1: {}, 2: down }), 500), []);
    assert.equal(made.nextDeadline(), 1_000);
    assert.equal(made.choose(gateways({ 1: {}, 2: down }), 1_000).length, 1);
  });

  it('that are removed have no carrier', () => {
    const made = chooser(routeItem('10.0.0.0/16', [1]));
    made.choose(gateways({ 1: {} }), 0);
    made.setRoutes([]);
    assert.deepEqual(made.choose(gateways({ 1: {} }), 1), [{ prefix: '10.0.0.0/16', from: gatewayId(1), to: null }]);
    assert.deepEqual(made.carriedBy(gatewayId(1)), []);
  });
});

describe('after random events', () => {
  const one = fc.record({
    up: fc.boolean(),
    standing: fc.constantFrom('ACTIVE', 'ACTIVE', 'MAINTENANCE', 'ERROR'),
    away: fc.boolean(),
    rttMs: fc.integer({ min: 1, max: 200 }),
    readyAt: fc.integer({ min: 0, max: 20_000 }),
    there: fc.boolean(),
  });
  const moment = fc.tuple(fc.array(one, { minLength: 4, maxLength: 4 }), fc.integer({ min: 0, max: 8_000 }));
  const routes = fc.uniqueArray(
    fc
      .tuple(
        fc.integer({ min: 1, max: 9 }),
        fc.uniqueArray(fc.integer({ min: 1, max: 4 }), { minLength: 1 }),
        fc.boolean(),
      )
      .map(([n, by, manual]) =>
        routeItem(`10.${n}.0.0/16`, by, { mode: manual ? 'MANUAL' : 'AUTOMATIC', resources: ['r'] }),
      ),
    { selector: ({ id }) => id, minLength: 1 },
  );

  it('a route is with one of its gateways, the least unfit kind of them, and moves only for a cause', () => {
    fc.assert(
      fc.property(routes, fc.array(moment, { minLength: 1, maxLength: 8 }), (items, moments) => {
        const made = chooser(...items);
        const missedSince = new Map<string, number>();
        let now = 0;
        for (const [list, ms] of moments) {
          now += ms;
          const present = new Map(
            list.flatMap(({ up, standing, away, rttMs, readyAt, there }, n) => {
              const unreachable = new Set(away ? ['r'] : []);
              const fact = carrier({ up, standing, unreachable, rttMs: up ? rttMs : null, readyAt });
              return there ? [[gatewayId(n + 1), fact] as const] : [];
            }),
          );
          for (const [id, facts] of present) {
            if (rank(facts) !== 3) missedSince.delete(id);
            else missedSince.set(id, missedSince.get(id) ?? now);
          }
          const before = new Map(made.view(present).map(({ prefix, carrier }) => [prefix, carrier]));
          const moves = made.choose(present, now);
          assert.deepEqual(made.choose(present, now), []);
          const found = new Set<string>();
          for (const id of present.keys()) {
            for (const prefix of made.carriedBy(id)) {
              assert.ok(!found.has(prefix), `${prefix} is with two`);
              found.add(prefix);
            }
          }
          for (const { prefix, carrier: id, why } of made.view(present)) {
            const item = items.find((route) => route.id === prefix);
            const candidates = item?.gateways.filter((gateway) => present.has(gateway)) ?? [];
            assert.equal(id !== null, candidates.length > 0);
            assert.ok(why.endsWith('.'));
            if (id === null) continue;
            assert.ok(candidates.includes(id));
            assert.ok(candidates.every((other) => rank(present.get(other)) >= rank(present.get(id))));
            const from = before.get(prefix);
            const moved = moves.some((move) => move.prefix === prefix);
            if (!moved || from === null || from === undefined || !present.has(from)) continue;
            const worse = rank(present.get(from)) > rank(present.get(id));
            const order = item?.mode === 'MANUAL' && item.gateways.indexOf(id) < item.gateways.indexOf(from);
            const nearer = (present.get(from)?.rttMs ?? 0) > (2 * (present.get(id)?.rttMs ?? Infinity)) / 1.5;
            const staler = (missedSince.get(id) ?? Infinity) + 1_000 < (missedSince.get(from) ?? -Infinity);
            assert.ok(
              worse || order || staler || (item?.mode === 'AUTOMATIC' && nearer),
              `${prefix} moved without a cause`,
            );
          }
        }
      }),
      { numRuns: 300 },
    );
  });

  function rank(facts: Carrier | undefined): number {
    if (facts === undefined || !facts.up) return 4;
    if (facts.unreachable.size > 0) return 3;
    return { ACTIVE: 0, MAINTENANCE: 1, ERROR: 2 }[facts.standing];
  }
});
