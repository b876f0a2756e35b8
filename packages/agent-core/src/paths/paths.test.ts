import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { dice } from '../testing/dice.ts';
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

describe('a path between gateways, which both look for it', () => {
  const second = gatewayId(2);
  for (const [one, other, state] of [
    ['open', 'open', 'direct'],
    ['open', 'symmetric', 'direct'],
    ['independent', 'independent', 'direct'],
    ['independent', 'symmetric', 'relayed'],
    ['symmetric', 'symmetric', 'relayed'],
  ] as const) {
    it(`that are ${one} and ${other} is ${state}, also after both NATs have forgotten it`, () => {
      const world = new PathWorld(dice(1), { device: [], gateways: [one, other], sites: true }).start();
      const [a, b] = world.gateways;
      const both = () => a?.state(second) === state && b?.state(first) === state;
      const limitMs = state === 'direct' ? 2_000 : 8_000;
      assert.ok(world.network.until(both, limitMs) <= limitMs, `${a?.state(second)} ${b?.state(first)}`);
      world.network.run(60_000);
      for (const { ip } of world.gateways) world.network.rebind(ip);
      world.network.run(30_000);
      assert.ok(both(), `${a?.state(second)} ${b?.state(first)}`);
      const { length } = a?.history ?? [];
      world.network.run(600_000);
      assert.ok(both());
      assert.equal(a?.history.length, length);
    });
  }
});

describe('a path that is up', () => {
  const up = (device: NatKind, gateway: NatKind, seed = 1) => {
    const world = new PathWorld(dice(seed), { device, gateways: [gateway] }).start();
    world.network.run(20_000);
    assert.ok(isUp(world), JSON.stringify(world.device.history));
    return world;
  };
  const busy = (world: PathWorld) => {
    const request = (): void => {
      world.device.request('10.1.0.0/16', () => {});
      world.network.after(50, request);
    };
    request();
    world.network.run(3_000);
  };

  it('is lost within a second when it carries traffic, and found again when the gateway is back', () => {
    const world = up('independent', 'open');
    busy(world);
    world.network.kill(world.gateways[0]?.ip ?? '');
    const lostMs = world.network.until(() => world.device.state(first) === 'lost', 10_000);
    assert.ok(lostMs >= 500 && lostMs <= 1_050, `${lostMs}`);
    world.network.run(60_000);
    world.network.kill(world.gateways[0]?.ip ?? '', false);
    assert.ok(world.network.until(() => isUp(world), 12_000) <= 12_000);
  });

  it('is lost within seconds when nothing goes through it', () => {
    const world = up('independent', 'open');
    world.network.kill(world.gateways[0]?.ip ?? '');
    assert.ok(world.network.until(() => world.device.state(first) === 'lost', 10_000) <= 6_000);
  });

  for (const [device, gateway] of [
    ['independent', 'open'],
    ['independent', 'independent'],
    ['open', 'independent'],
    ['independent', 'symmetric'],
  ] as const) {
    for (const who of ['device', 'gateway'] as const) {
      it(`between ${device} and ${gateway} heals soon after the NAT of the ${who} has forgotten it`, () => {
        const world = up(device, gateway);
        busy(world);
        let answeredAt = 0;
        const request = (): void => {
          world.device.request('10.1.0.0/16', () => {
            answeredAt = world.network.now;
          });
          world.network.after(50, request);
        };
        request();
        world.rebind(who === 'device' ? world.device : (world.gateways[0] ?? world.device));
        const at = world.network.now;
        // A relay learns where the gateway is by a handshake, which ends the session: not before the silence is sure.
        const limitMs = who === 'gateway' && world.device.state(first) === 'relayed' ? 9_000 : 2_000;
        const tookMs = world.network.until(() => answeredAt > at + 100, 10_000);
        assert.ok(tookMs <= limitMs, `${tookMs} ms`);
      });
    }
  }

  it('by a relay moves to a direct one when that becomes possible, and stays there', () => {
    const world = up('symmetric', 'symmetric');
    assert.equal(world.device.state(first), 'relayed');
    world.network.become(world.gateways[0]?.ip ?? '', 'open');
    assert.ok(world.network.until(() => world.device.state(first) === 'direct', 620_000) <= 620_000);
    const { length } = world.device.history;
    world.network.run(1_200_000);
    assert.equal(world.device.state(first), 'direct');
    assert.equal(world.device.history.length, length);
  });

  it('goes to the relay when the direct way ends, although the gateway lives', () => {
    const world = up('independent', 'open');
    busy(world);
    world.network.cut(world.device.ip, world.gateways[0]?.ip ?? '');
    assert.ok(world.network.until(() => world.device.state(first) === 'relayed', 10_000) <= 6_000);
    world.network.run(1_200_000);
    const flaps = world.device.history.length;
    assert.ok(flaps <= 4, JSON.stringify(world.device.history));
    world.network.cut(world.device.ip, world.gateways[0]?.ip ?? '', false);
    assert.ok(world.network.until(() => world.device.state(first) === 'direct', 620_000) <= 620_000);
  });

  it('does not flap under loss and load', () => {
    for (const seed of [1, 2, 3]) {
      const world = up('independent', 'independent', seed);
      const { length } = world.device.history;
      world.network.loss = 0.03;
      busy(world);
      world.network.run(600_000);
      assert.ok(world.device.history.length - length <= 2, JSON.stringify(world.device.history));
    }
  });
});

describe('a path in any weather', () => {
  for (let seed = 1; seed <= 40; seed += 1) {
    it(`ends where it can be, seed ${seed}`, () => {
      const roll = dice(seed);
      const one = <T>(list: readonly T[]): T => list[Math.floor(roll() * list.length)] as T;
      const kinds: NatKind[] = ['open', 'independent', 'symmetric'];
      let [device, gateway] = [one(kinds), one(kinds)];
      const world = new PathWorld(roll, { device, gateways: [gateway] }).start();
      const [{ ip }, { ip: gatewayIp }] = [world.device, world.gateways[0] ?? world.device];
      const flags = { cut: false, dead: false, relayDead: false };
      const log: string[] = [];
      const steps: Record<string, () => void> = {
        rebindDevice: () => world.network.rebind(ip),
        rebindGateway: () => world.network.rebind(gatewayIp),
        deviceNat: () => {
          device = one(kinds);
          world.network.become(ip, device);
          world.device.input({ kind: 'network-changed' });
        },
        gatewayNat: () => {
          gateway = one(kinds);
          world.network.become(gatewayIp, gateway);
        },
        cut: () => {
          flags.cut = !flags.cut;
          world.network.cut(ip, gatewayIp, flags.cut);
        },
        die: () => {
          flags.dead = !flags.dead;
          world.network.kill(gatewayIp, flags.dead);
        },
        relay: () => {
          flags.relayDead = !flags.relayDead;
          world.killRelay(flags.relayDead);
        },
        away: () => {
          world.away = !world.away;
          if (!world.away) world.tell();
        },
        loss: () => {
          world.network.loss = world.network.loss > 0 ? 0 : 0.1;
        },
        network: () => world.device.input({ kind: 'network-changed' }),
      };
      for (let n = 0; n < 25; n += 1) {
        const name = one(Object.keys(steps));
        log.push(`${world.network.now} ${name}`);
        steps[name]?.();
        world.network.run(Math.floor(roll() * roll() * 30_000));
      }
      world.away = false;
      world.network.loss = 0;
      world.tell();
      world.network.run(1_300_000);
      const hard = [device, gateway].sort().join();
      const direct = !flags.cut && hard !== 'independent,symmetric' && hard !== 'symmetric,symmetric';
      const expected = flags.dead ? 'none' : direct ? 'direct' : flags.relayDead ? 'none' : 'relayed';
      const found = isUp(world) ? world.device.state(first) : 'none';
      const story = `${device} ${gateway} ${JSON.stringify(flags)}\n${log.join('\n')}\n${JSON.stringify(world.device.history.slice(-9))}`;
      assert.equal(found, expected, story);
      const calm = world.device.history.filter(({ at }) => at > world.network.now - 600_000).length;
      assert.equal(calm, 0, story);
    });
  }
});

function isUp(world: PathWorld): boolean {
  return world.device.state(first) === 'direct' || world.device.state(first) === 'relayed';
}
