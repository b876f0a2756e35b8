import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { namespacesMissing, until } from '../testing/namespaces.ts';
import { exchange, sendError } from '../testing/packets.ts';
import { ALICE, BOB, exampleState, HOST, OTHER, OVERLAY, RESOURCE, Topology } from '../testing/topology.ts';
import type { Egress, FirewallState } from '../types.ts';

const skip = await namespacesMissing();
const GATEWAY = { v4: '100.64.0.1', v6: 'fd7a:1::1' } as const;
/** Behind the other gateway, which the namespace `bob` represents. */
const BRANCH = { v4: '10.1.0.5', v6: 'fd11::5' } as const;
const OUTSIDE = { v4: '10.2.0.5', v6: 'fd12::5' } as const;
/** On the gateway's own network, but with an address that belongs behind the other gateway. */
const IMPOSTOR = { v4: '10.1.0.9', v6: 'fd11::9' } as const;
const FAMILIES = ['v4', 'v6'] as const;

describe('paths between gateways, with packets', { skip }, () => {
  const net = new Topology();
  let perl = false;
  before(async () => {
    await net.start();
    perl = await net.bob.succeeds('perl', '-MSocket=:all', '-e', '1');
    await net.gateway.call('firewall', { interface: 'sp0', overlay: OVERLAY });
    await load({});
    await net.gateway.call('hostUp', { ...HOST, onward: true, routes: ['10.1.0.0/16', 'fd11::/32'] });
    // Foreign routes lead all of it into the tunnel; the table decides what may enter.
    for (const prefix of ['10.1.0.0/16', '10.2.0.0/16', 'fd11::/32', 'fd12::/32'])
      await net.gateway.ip(`route add ${prefix} dev sp0`);
    for (const { v4, v6 } of [BRANCH, OUTSIDE]) {
      await net.bob.ip(`address add ${v4}/32 dev tun\n address add ${v6}/128 dev tun nodad`);
      await net.wire.ip(`route add ${v4} dev towards-bob\n route add ${v6} dev towards-bob`);
    }
    await net.bob.ip(`route add 10.9.0.0/24 dev tun src ${BRANCH.v4}\n route add fd09::/64 dev tun src ${BRANCH.v6}`);
    await net.bob.call('serve', 80);
    await net.bob.call('serveTicks', 8000);
    await net.resource.ip(`address add ${IMPOSTOR.v4}/32 dev lo\n address add ${IMPOSTOR.v6}/128 dev lo nodad`);
  });
  after(() => net.stop());
  beforeEach(() => load({}));

  async function load(change: Partial<FirewallState>): Promise<void> {
    const now = Date.now();
    await net.gateway.call('load', { ...exampleState(now), ...change }, now);
  }

  function egress(over: Partial<Egress> = {}): Pick<FirewallState, 'egress'> {
    const sources = [`${RESOURCE.v4}/32`, '10.1.0.0/16', 'fd09::10/128', 'fd11::/32'];
    const item = { id: 'out', sources, destinations: ['10.1.0.0/16', 'fd11::/32'], expiresAt: null, ...over };
    return { egress: new Map([['out', item]]) };
  }

  describe('liveness', () => {
    const refused = { message: /ECONNREFUSED/ };
    for (const family of FAMILIES) {
      it(`answers every peer, with or without grants: ${family}`, async () => {
        for (const change of [{}, { draining: true }, { leaseUntil: Date.now() - 1 }, { devices: new Map() }]) {
          await load(change);
          for (const device of [net.alice, net.bob])
            await assert.rejects(device.call('open', 'live', GATEWAY[family], 1), refused);
        }
      });

      it(`answers no other port and no other source: ${family}`, async () => {
        await net.isDropped('denied_in', () => net.alice.call('open', 'x', GATEWAY[family], 2));
        await net.isDropped('denied_in', () => net.bob.call('open', 'x', GATEWAY[family], 1, BRANCH[family]));
      });

      it(`answers only echoes, of any size that fits, with or without grants: ${family}`, async () => {
        await load({ devices: new Map(), leaseUntil: Date.now() - 1 });
        for (const size of ['8', '1200'])
          await net.alice.exec('ping', '-n', '-c', '1', '-W', '5', '-M', 'do', '-s', size, GATEWAY[family]);
        const before = await net.dropped('denied_in');
        assert.equal(await net.alice.succeeds('ping', '-n', '-c', '1', '-W', '1', RESOURCE[family]), false);
        assert.ok((await net.dropped('denied_in')) > before);
      });

      it(`allows probes from the gateway itself: ${family}`, async () => {
        await assert.rejects(net.gateway.call('open', 'live', BOB[family], 1, GATEWAY[family]), refused);
        await net.isDropped('denied_out', () => net.gateway.call('open', 'x', BOB[family], 2, GATEWAY[family]));
      });
    }

    it('needs no socket', async () => {
      await net.gateway.call('serve', 1);
      await assert.rejects(net.alice.call('open', 'live', GATEWAY.v4, 1), refused);
    });

    it('limits the answers to one source', async () => {
      const before = await net.dropped('denied_in');
      let answered = 0;
      for (let index = 0; index < 100; index++) {
        net.bob.call('open', `flood${index}`, GATEWAY.v4, 1).catch(() => (answered += 1));
      }
      await until('all to be seen', async () => answered + (await net.dropped('denied_in')) - before >= 100);
      assert.ok(answered >= 40 && answered < 80, `${answered} answers`);
      await assert.rejects(net.alice.call('open', 'live', GATEWAY.v4, 1), refused, 'others are not held up');
    });
  });

  describe('egress', () => {
    for (const family of FAMILIES) {
      it(`lets sources begin flows to destinations, and admits answers: ${family}`, async () => {
        await load(egress());
        const { egress: before } = await net.gateway.call('counters');
        await net.resource.call('open', family, BRANCH[family], 80, RESOURCE[family]);
        await net.resource.call('say', family, 'hello');
        await until('echo', async () => (await net.resource.call('heard', family)) === 'hello');
        assert.equal(await net.resource.call('ask', BRANCH[family], 80, 'question', RESOURCE[family]), 'question');
        await net.resource.exec('ping', '-c', '1', '-W', '3', '-I', RESOURCE[family], BRANCH[family]);
        const seen = await net.bob.exec('ss', '-Htn', 'state', 'established');
        assert.ok(seen.includes(RESOURCE[family]), `not masqueraded: ${seen}`);
        const { egress: after } = await net.gateway.call('counters');
        assert.ok(after.packets >= before.packets + 4, `${after.packets - before.packets} packets of egress counted`);
      });

      it(`passes errors about its flows in both directions: ${family}`, async (t) => {
        if (!perl) return t.skip('needs perl');
        await load(egress());
        const flow = { from: RESOURCE[family], fromPort: 5010, to: BRANCH[family], toPort: 9 };
        await assert.rejects(exchange(net.resource, flow), /refused/);
        await exchange(net.resource, { ...flow, toPort: 80 });
        const answer = { from: BRANCH[family], fromPort: 80, to: RESOURCE[family], toPort: 5010 };
        await sendError(net.resource, 'tooBig', answer, 1290);
        const route = () => net.bob.exec('ip', 'route', 'get', RESOURCE[family], 'from', BRANCH[family]);
        await until('the far end to hear of it', async () => / mtu 1290\b/.test(await route()));
        const outside = { ...answer, from: OUTSIDE[family] };
        await net.isDropped('denied_out', async () => {
          await sendError(net.resource, 'tooBig', outside, 1285);
          await new Promise(() => {});
        });
      });

      it(`admits no other traffic: ${family}`, async () => {
        await load(egress());
        const from =
          (source: string, address: string, port = 80) =>
          () =>
            net.resource.call('open', 'x', address, port, source);
        await net.isDropped('denied_out', from(OTHER[family], BRANCH[family]));
        await net.isDropped('denied_out', from(RESOURCE[family], OUTSIDE[family]));
        await net.isDropped('denied_out', from(RESOURCE[family], ALICE[family]));
        await net.isDropped('denied_out', from(IMPOSTOR[family], BRANCH[family]));
        await net.isDropped('denied_out', () => net.gateway.call('open', 'x', BRANCH[family], 80));
        await net.isDropped('denied_in', () => net.bob.call('open', 'x', RESOURCE[family], 80, BRANCH[family]));
      });

      it(`ends with its item, in both directions: ${family}`, async () => {
        await load(egress());
        const id = `ticks${family}`;
        const heard = async () => (await net.resource.call('heard', id)).length;
        await net.resource.call('open', id, BRANCH[family], 8000, RESOURCE[family]);
        await until('ticks', async () => (await heard()) > 3);
        await net.gateway.call('change', { remove: { egress: ['out'] } }, Date.now());
        assert.deepEqual((await net.gateway.call('readBackTouched', Date.now())).differences, []);
        const before = await heard();
        await net.isDropped('denied_in', async () => new Promise(() => {}));
        await net.isDropped('denied_out', async () => {
          await net.resource.call('say', id, 'anyone?');
          await new Promise(() => {});
        });
        assert.equal(await heard(), before, 'nothing more arrives');
      });
    }

    it('refuses new flows while draining', async () => {
      await load({ ...egress(), draining: true });
      await assert.rejects(net.resource.call('open', 'x', BRANCH.v4, 80, RESOURCE.v4), /EHOSTUNREACH/);
    });

    it('closes on time, and at the end of the lease', async () => {
      for (const set of ['egress_pairs', 'lease']) {
        const end = Date.now() + 5_000;
        await load(set === 'lease' ? { ...egress(), leaseUntil: end } : egress({ expiresAt: end }));
        await net.resource.call('open', set, BRANCH.v4, 8000, RESOURCE.v4);
        const heard = async () => (await net.resource.call('heard', set)).length;
        await until('ticks', async () => (await heard()) > 3);
        await until('the kernel to drop the element', async () => {
          const table = await net.gateway.exec('nft', 'list', 'table', 'inet', 'sallyport_sp0');
          return !new RegExp(`set ${set}_[abc] \\{[^}]*elements`).test(table);
        });
        assert.ok(Date.now() >= end, 'not before its time');
        const before = await heard();
        await net.isDropped('denied_in', async () => new Promise(() => {}));
        assert.equal(await heard(), before, 'nothing more arrives');
      }
    });

    it('passes with any reverse path filter of the network interface', async () => {
      await load(egress());
      for (const strictness of [1, 2, 0]) {
        await net.gateway.exec('sysctl', '-qw', `net.ipv4.conf.lan0.rp_filter=${strictness}`);
        assert.equal(await net.resource.call('ask', BRANCH.v4, 80, 'question', RESOURCE.v4), 'question');
      }
    });
  });

  describe('devices that pass through the gateway', () => {
    const single = ({ v4, v6 }: { v4: string; v6: string }): string[] => [`${v4}-${v4}`, `${v6}-${v6}`];
    const classes = new Map([['web', { id: 'web', ranges: [BRANCH, BOB].flatMap(single) }]]);
    const onward = [{ class: 'web', bundle: 'http', expiresAt: null, onward: true }];
    const profiles = new Map([
      ['staff', { id: 'staff', cells: onward }],
      ['guests', { id: 'guests', cells: [] }],
    ]);

    it('are not forwarded by a grant for resources of this gateway', async () => {
      await load({ classes });
      await net.isDropped('denied_in', () => net.alice.call('open', 'x', BRANCH.v4, 80));
    });

    for (const family of FAMILIES) {
      it(`are forwarded to granted destinations with their own address: ${family}`, async () => {
        await load({ classes, profiles });
        await net.alice.call('open', family, BRANCH[family], 80);
        await net.alice.call('say', family, 'hello');
        await until('echo', async () => (await net.alice.call('heard', family)) === 'hello');
        await net.alice.exec('ping', '-c', '1', '-W', '3', BRANCH[family]);
        const seen = await net.bob.exec('ss', '-Htn', 'state', 'established');
        assert.ok(seen.includes(ALICE[family]), `not masqueraded: ${seen}`);
      });

      it(`are not forwarded elsewhere or to each other: ${family}`, async () => {
        await load({ classes, profiles });
        await net.isDropped('denied_in', () => net.alice.call('open', 'x', BRANCH[family], 81));
        await net.isDropped('denied_in', () => net.alice.call('open', 'x', OUTSIDE[family], 80));
        await net.isDropped('denied_in', () => net.alice.call('open', 'x', BOB[family], 80));
        await net.isDropped('denied_in', () => net.bob.call('open', 'x', ALICE[family], 80));
      });

      it(`are cut off when their grant ends: ${family}`, async () => {
        await load({ classes, profiles });
        const id = `via${family}`;
        await net.alice.call('open', id, BRANCH[family], 8000);
        await until('ticks', async () => (await net.alice.call('heard', id)).length > 3);
        await net.gateway.call('change', { upsert: { profiles: [{ id: 'staff', cells: [] }] } }, Date.now());
        await net.isDropped('denied_out', async () => new Promise(() => {}));
      });
    }
  });
});
