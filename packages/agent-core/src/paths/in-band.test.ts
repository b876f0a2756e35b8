import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { gatewayId, routeItem } from '../testing/items.ts';
import { InBand } from './in-band.ts';
import type { Try, TryOutcome } from './types.ts';

const prefix = '10.0.0.1/32';
const [g1, g2, g3] = [gatewayId(1), gatewayId(2), gatewayId(3)];

/** One route, and a chooser that takes the first gateway that is not mute, else the first one. */
class Bench {
  readonly up = new Set([g1, g2, g3]);
  readonly inBand: InBand;
  carrier = g1;
  now = 1_000;
  #probes = 0;
  readonly #gateways: readonly string[];

  constructor(gateways: readonly number[] = [1, 2, 3], target: number | null = 443) {
    this.#gateways = gateways.map(gatewayId);
    this.inBand = new InBand(() => ++this.#probes);
    this.inBand.setRoutes([routeItem(prefix, gateways, target === null ? {} : { target })]);
  }

  silent(): void {
    this.inBand.silent(this.carrier, this.#ways, this.now);
  }

  due(ms = 100): Try[] {
    this.now += ms;
    const { tries, changed } = this.inBand.due(this.#ways, this.now);
    if (changed) this.#choose();
    return tries;
  }

  /** All connections, until none is due, end like this. Returns the gateways that they went through. */
  all(outcome: (gateway: string) => TryOutcome): string[] {
    const through: string[] = [];
    for (let tries = this.due(); tries.length > 0; tries = this.due()) {
      for (const { probe, gateway } of tries) {
        through.push(gateway);
        if (this.inBand.tried(probe, outcome(gateway), this.now)) this.#choose();
      }
    }
    return through;
  }

  get #ways() {
    return { carrierOf: () => this.carrier, isUp: (id: string) => this.up.has(id), rttMs: () => 10 };
  }

  #choose(): void {
    for (;;) {
      const from = this.carrier;
      const to = this.#gateways.find((id) => !this.inBand.isMute(prefix, id)) ?? this.#gateways[0] ?? from;
      this.carrier = to;
      if (!this.inBand.chosen(from === to ? [] : [{ prefix, from, to }], this.now)) return;
    }
  }
}

describe('traffic without answers', () => {
  it('is followed by a connection to the target, and nothing moves when it is answered or refused', () => {
    for (const outcome of ['answered', 'refused'] as const) {
      const bench = new Bench();
      assert.deepEqual(bench.due(), [], 'no cause');
      bench.silent();
      const [first] = bench.due();
      assert.deepEqual(first, { probe: 1, gateway: g1, address: '10.0.0.1', port: 443, timeoutMs: 330 });
      bench.inBand.tried(1, outcome, bench.now);
      assert.deepEqual([bench.carrier, bench.due()], [g1, []]);
      bench.silent();
      assert.deepEqual(bench.due(), [], 'not again at once');
      bench.due(900);
      bench.silent();
      assert.equal(bench.due().length, 1);
    }
  });

  it('that wants none is followed by fewer and fewer connections, until other traffic is answered', () => {
    const bench = new Bench();
    const connections = (seconds: number): number => {
      let count = 0;
      for (let n = 0; n < seconds; n += 1) {
        bench.due(500);
        bench.silent();
        count += bench.all(() => 'answered').length;
      }
      return count;
    };
    assert.ok(connections(10) >= 3);
    connections(200);
    const often = connections(120);
    assert.ok(often <= 4, `${often} in two minutes`);
    bench.inBand.answered(g1, bench.now);
    bench.now += 1_000;
    assert.ok(connections(10) >= 3);
  });

  it('moves the route to the first gateway through which the target answers', () => {
    const bench = new Bench();
    bench.silent();
    assert.deepEqual(
      bench.all((gateway) => (gateway === g3 ? 'answered' : 'none')),
      [g1, g1, g1, g2, g2, g2, g3],
    );
    assert.equal(bench.carrier, g3);
  });

  it('does not move to a gateway that refuses for a target that did not answer', () => {
    const bench = new Bench([1, 2]);
    bench.silent();
    bench.all((gateway) => (gateway === g2 ? 'refused' : 'none'));
    assert.equal(bench.carrier, g1);
  });

  it('restores the route when the target answers nowhere, and retries with growing pauses', () => {
    const bench = new Bench([1, 2]);
    const pauses: number[] = [];
    let last = bench.now;
    for (let n = 0; n < 4; n += 1) {
      let tries: string[] = [];
      while (tries.length === 0) {
        bench.due(500);
        bench.silent();
        const began = bench.now;
        tries = bench.all(() => 'none');
        if (tries.length > 0) pauses.push(began - last);
      }
      last = bench.now;
      assert.equal(bench.carrier, g1);
      assert.equal(tries.length, 6);
    }
    assert.ok(
      pauses.slice(1).every((pause, n) => pause >= 9_000 * 2 ** n),
      `${pauses}`,
    );
  });

  it('is no cause without a target, or without another gateway whose tunnel answers', () => {
    const none = new Bench([1, 2], null);
    const alone = new Bench([1]);
    const others = new Bench([1, 2]);
    others.up.delete(g2);
    for (const bench of [none, alone, others]) {
      bench.silent();
      assert.deepEqual(bench.due(), []);
    }
  });

  it('that is answered meanwhile ends the trial', () => {
    const bench = new Bench();
    bench.silent();
    bench.due();
    bench.inBand.answered(g1, bench.now);
    assert.equal(bench.inBand.tried(1, 'none', bench.now), false);
    assert.deepEqual(bench.due(), []);
  });
});

describe('a gateway at which the target did not answer', () => {
  const moved = () => {
    const bench = new Bench([1, 2]);
    bench.silent();
    bench.all((gateway) => (gateway === g2 ? 'answered' : 'none'));
    assert.equal(bench.carrier, g2);
    return bench;
  };

  it('is tried again after a while, as soon as it carries the route', () => {
    const bench = moved();
    bench.due(11_000);
    assert.equal(bench.carrier, g1);
    assert.deepEqual(
      bench.all(() => 'answered'),
      [g1],
    );
    assert.equal(bench.carrier, g1);
    assert.equal(bench.inBand.nextDeadline(), Infinity);
  });

  it('is excluded for longer after each failure', () => {
    const bench = moved();
    for (const ms of [10_000, 20_000, 40_000, 40_000]) {
      bench.due(ms - 2_000);
      assert.equal(bench.carrier, g2);
      bench.due(2_000);
      assert.equal(bench.carrier, g1);
      bench.all((gateway) => (gateway === g2 ? 'answered' : 'none'));
      assert.equal(bench.carrier, g2);
    }
  });

  it('stays so when items come that say the same of the route, and not when its gateways change', () => {
    const { inBand } = moved();
    inBand.setRoutes([routeItem(prefix, [1, 2], { target: 443, resources: ['r'] })]);
    assert.equal(inBand.isMute(prefix, g1), true);
    inBand.setRoutes([routeItem(prefix, [1, 2, 3], { target: 443 })]);
    assert.equal(inBand.isMute(prefix, g1), false);
  });
});

it('few routes are tried at once, and more when one of them was lost', () => {
  let probes = 0;
  const inBand = new InBand(() => ++probes);
  const routes = Array.from({ length: 50 }, (_, n) => routeItem(`10.0.0.${n}/32`, [1, 2], { target: 80 }));
  inBand.setRoutes(routes);
  const ways = { carrierOf: () => g1, isUp: () => true, rttMs: () => 10 };
  inBand.silent(g1, ways, 0);
  const { tries } = inBand.due(ways, 0);
  assert.equal(tries.length, 4);
  for (const { probe } of tries.slice(1)) inBand.tried(probe, 'answered', 0);
  let { probe } = tries[0] ?? assert.fail();
  for (let n = 0; n < 3; n += 1) {
    inBand.tried(probe, 'none', 100);
    probe = inBand.due(ways, 200).tries[0]?.probe ?? 0;
  }
  const moves = [{ prefix: '10.0.0.0/32', from: g1, to: g2 }];
  inBand.chosen(moves, 200);
  inBand.silent(g1, ways, 1_000);
  assert.ok(inBand.due(ways, 1_000).tries.length > 20);
});

describe('a route that is silent while others of its gateway are answered', () => {
  const net = '10.1.0.0/24';
  const far = '10.2.0.1/32';

  /** A network without a named target, and an address with one, through the same gateway. */
  const mixed = (resources = ['r']) => {
    let probes = 0;
    const inBand = new InBand(() => ++probes);
    inBand.setRoutes([
      routeItem(net, [1, 2], { resources }),
      routeItem(far, [1, 2], { resources: ['far'], target: 80 }),
    ]);
    const ways = { carrierOf: () => g1, isUp: () => true, rttMs: () => 10 };
    return { inBand, ways, due: (now: number) => inBand.due(ways, now).tries };
  };
  const server = (address: string, port: number | null, agoMs = 0) => ({ address, port, agoMs });

  it('is tried at those that the device saw answering, the latest first, and answers to the others end nothing', () => {
    const { inBand, ways, due } = mixed();
    inBand.saw([server('10.1.0.5', 22, 9_000), server('10.1.0.6', null, 100), server('192.0.2.1', 443)], 10_000);
    inBand.silentRoutes([net], ways, 10_000);
    inBand.answered(g1, 10_000);
    const asked: unknown[] = [];
    for (let now = 10_000, tries = due(now); tries.length > 0; tries = due((now += 1_000))) {
      for (const { probe, address, port } of tries) {
        asked.push([address, port]);
        inBand.tried(probe, 'none', now);
      }
    }
    assert.deepEqual(asked, [
      ['10.1.0.6', null],
      ['10.1.0.5', 22],
      ['10.1.0.6', null],
    ]);
    assert.deepEqual([inBand.isMute(net, g1), inBand.isMute(far, g1)], [true, false]);
  });

  it('is left alone when nothing there was ever seen to answer', () => {
    const { inBand, ways, due } = mixed();
    inBand.saw([server('10.2.0.1', 8080)], 0);
    inBand.silentRoutes([net], ways, 0);
    assert.deepEqual(due(0), []);
  });

  it('is tried less and less often while the target answers, and again soon once its own traffic was answered', () => {
    const { inBand, ways, due } = mixed();
    inBand.saw([server('10.1.0.5', 22)], 0);
    let now = 0;
    const connections = (seconds: number): number => {
      let count = 0;
      for (const end = now + seconds * 1_000; now < end; now += 1_000) {
        inBand.answered(g1, now);
        inBand.silentRoutes([net], ways, now);
        for (const { probe } of due(now)) {
          count += 1;
          inBand.tried(probe, 'answered', now);
          // What comes back to the connection itself is no answer to the traffic.
          inBand.answeredRoute(net, ways, now + 500);
        }
      }
      return count;
    };
    connections(200);
    const often = connections(120);
    assert.ok(often <= 4, `${often} in two minutes`);
    inBand.answeredRoute(net, ways, now + 60_000);
    now += 61_000;
    assert.ok(connections(10) >= 3);
  });

  it('forgets those that answer nowhere, until they are seen again later', () => {
    const { inBand, ways, due } = mixed();
    inBand.saw([server('10.1.0.5', 22)], 0);
    inBand.silentRoutes([net], ways, 0);
    const allFail = (from: number) => {
      for (let now = from; now < from + 4_000; now += 1_000)
        for (const { probe } of due(now)) inBand.tried(probe, 'none', now);
    };
    allFail(0);
    inBand.chosen([{ prefix: net, from: g1, to: g2 }], 4_000);
    allFail(5_000);
    assert.equal(inBand.chosen([], 9_000), true, 'it goes back');
    const later = 1_000_000;
    inBand.saw([server('10.1.0.5', 22, later)], later);
    inBand.silentRoutes([net], ways, later);
    assert.deepEqual(due(later), []);
    inBand.saw([server('10.1.0.5', 22, 1_000)], later);
    inBand.silentRoutes([net], ways, later);
    assert.equal(due(later).length, 1);
  });

  it('finds out while it is answered whether its one address answers an echo, and asks no more when it does', () => {
    const phone = '10.1.0.9/32';
    let probes = 0;
    const inBand = new InBand(() => ++probes);
    const ways = { carrierOf: () => g1, isUp: () => true, rttMs: () => 10 };
    const asked = (resource: string, now: number) => {
      inBand.setRoutes([routeItem(phone, [1, 2], { resources: [resource] })], new Set(['phone']));
      inBand.answeredRoute(phone, ways, now);
      return inBand.due(ways, now).tries.map(({ address, port }) => [address, port]);
    };
    assert.deepEqual(asked('fax', 0), [], 'a resource without ICMP');
    assert.deepEqual(asked('phone', 0), [['10.1.0.9', null]]);
    assert.deepEqual(asked('phone', 5_000), [], 'not again at once');
    inBand.saw([server('10.1.0.9', null)], 6_000);
    assert.deepEqual(asked('phone', 1_000_000), []);
    inBand.silentRoutes([phone], ways, 1_000_000);
    assert.equal(inBand.due(ways, 1_000_000).tries[0]?.port, null);
  });

  it('is not watched where nothing but the internet is behind it', () => {
    const { inBand } = mixed([]);
    assert.deepEqual(inBand.prefixes, [far]);
  });
});
