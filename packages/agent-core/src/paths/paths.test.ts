import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { gatewayId } from '../testing/items.ts';
import type { NatKind } from '../testing/network.ts';
import { PathWorld } from '../testing/paths-world.ts';

const first = gatewayId(1);

describe('a path', () => {
  const cases: [NatKind, NatKind, 'direct' | 'relayed', number][] = [
    ['open', 'open', 'direct', 150],
    ['independent', 'open', 'direct', 150],
    ['symmetric', 'open', 'direct', 150],
    ['open', 'independent', 'direct', 1_500],
    ['independent', 'independent', 'direct', 1_500],
    ['open', 'symmetric', 'direct', 4_000],
    ['independent', 'symmetric', 'relayed', 6_000],
    ['symmetric', 'independent', 'relayed', 6_000],
    ['symmetric', 'symmetric', 'relayed', 6_000],
  ];
  for (const [device, gateway, state, limitMs] of cases) {
    it(`from a device that is ${device} to a gateway that is ${gateway} is ${state}`, () => {
      const world = new PathWorld(dice(1), { device, gateways: [gateway] }).start();
      const tookMs = world.network.until(() => world.device.state(first) === state, limitMs);
      assert.ok(tookMs <= limitMs, `took ${tookMs} ms: ${JSON.stringify(world.device.history)}`);
      world.network.run(120_000);
      assert.equal(world.device.state(first), state, JSON.stringify(world.device.history));
      assert.ok(world.device.history.length <= 3, JSON.stringify(world.device.history));
    });
  }
});

function dice(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
