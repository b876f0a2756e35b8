import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { namespacesMissing, until } from '../testing/namespaces.ts';
import { exampleState, GATEWAY_LAN, HOST, OTHER, OVERLAY, RESOURCE, Topology } from '../testing/topology.ts';
import type { FirewallState, Site } from '../types.ts';

const skip = await namespacesMissing();
/** Addresses of the branch behind the tunnel. The namespace `alice` represents its router. */
const BRANCH = { v4: '10.1.0.5', v6: 'fd11::5' } as const;
/** The same prefixes, but these hosts are on the gateway's own network. */
const LOCAL = { v4: '10.1.7.7', v6: 'fd11::77' } as const;
const OUTSIDE = { v4: '10.2.0.5', v6: 'fd12::5' } as const;
const UNKNOWN_OVERLAY = { v4: '100.64.0.50', v6: 'fd7a:1::50' } as const;

describe('sites, with packets', { skip }, () => {
  const net = new Topology();
  before(async () => {
    await net.start();
    await net.gateway.call('firewall', { interface: 'sp0', overlay: OVERLAY });
    await load({});
    await net.gateway.call('hostUp', HOST);
    for (const { v4, v6 } of [BRANCH, OUTSIDE, UNKNOWN_OVERLAY]) {
      await net.alice.ip(`address add ${v4}/32 dev tun\n address add ${v6}/128 dev tun nodad`);
      await net.wire.ip(`route add ${v4} dev towards-alice\n route add ${v6} dev towards-alice`);
      await net.gateway.ip(`route replace ${v4} dev sp0\n route replace ${v6} dev sp0`);
    }
    await net.resource.ip(`address add ${LOCAL.v4}/32 dev lo\n address add ${LOCAL.v6}/128 dev lo nodad`);
    await net.gateway.ip(`route add ${LOCAL.v4} via ${RESOURCE.v4}\n route add ${LOCAL.v6} via ${RESOURCE.v6}`);
  });
  after(() => net.stop());

  /** The prefixes are so wide that they contain the overlay. */
  async function load(over: Partial<Site>, change: Partial<FirewallState> = {}): Promise<void> {
    const now = Date.now();
    const site = { id: 'branch', prefixes: ['10.1.0.0/16', '100.0.0.0/8', 'fd11::/16', 'fd7a::/16'] };
    const sites = new Map([['branch', { ...site, profile: 'staff', expiresAt: null, ...over }]]);
    await net.gateway.call('load', { ...exampleState(now), sites, ...change }, now);
  }

  for (const family of ['v4', 'v6'] as const) {
    it(`reach the destinations of their profile, and receive replies: ${family}`, async () => {
      for (const masquerade of [true, false]) {
        if (!masquerade) await net.resource.ip(`route replace ${BRANCH[family]} via ${GATEWAY_LAN[family]}`);
        await load({}, { masquerade });
        const id = `ok${family}${masquerade}`;
        await net.alice.call('open', id, RESOURCE[family], 80, BRANCH[family]);
        await net.alice.call('say', id, 'hello');
        await until('echo', async () => (await net.alice.call('heard', id)) === 'hello');
        assert.equal(await net.alice.call('ask', RESOURCE[family], 80, 'question', BRANCH[family]), 'question');
        await net.alice.exec('ping', '-c', '1', '-W', '3', '-I', BRANCH[family], RESOURCE[family]);
      }
      await load({});
    });

    it(`reach no other destination: ${family}`, async () => {
      const from = (source: string, address: string, port: number) => () =>
        net.alice.call('open', 'x', address, port, source);
      await net.isDropped('denied_in', from(BRANCH[family], RESOURCE[family], 81));
      await net.isDropped('denied_in', from(BRANCH[family], OTHER[family], 80));
      await net.isDropped('denied_in', from(BRANCH[family], GATEWAY_LAN[family], 80));
      await net.isDropped('denied_in', from(OUTSIDE[family], RESOURCE[family], 80));
      await net.isDropped('denied_in', from(UNKNOWN_OVERLAY[family], RESOURCE[family], 80));
      await net.isDropped('denied_out', () => net.resource.call('open', 'x', BRANCH[family], 81));
    });

    it(`count as foreign traffic when they come from the network: ${family}`, async () => {
      const before = await net.gateway.call('counters');
      await net.resource.call('open', `local${family}`, GATEWAY_LAN[family], 81, LOCAL[family]);
      await net.gateway.call('open', `back${family}`, LOCAL[family], 81);
      assert.deepEqual((await net.gateway.call('counters')).drops, before.drops);
    });
  }

  it('change without effect on other sites, and are read back', async () => {
    const branch = { id: 'branch', prefixes: ['10.1.0.0/17', 'fd11::/32'], profile: 'guests', expiresAt: null };
    const shop = { id: 'shop', prefixes: ['10.1.128.0/17', '10.2.0.0/16'], profile: 'staff', expiresAt: null };
    assert.equal(await net.gateway.call('change', { upsert: { sites: [branch, shop] } }, Date.now()), 'changed');
    assert.deepEqual((await net.gateway.call('readBackTouched', Date.now())).differences, []);
    const { sites } = await net.gateway.call('readBack', Date.now());
    assert.deepEqual([...sites.values()], [branch, shop]);
    await net.isDropped('denied_in', () => net.alice.call('open', 'x', RESOURCE.v4, 80, BRANCH.v4));
    await net.alice.call('open', 'shop', RESOURCE.v4, 80, OUTSIDE.v4);
    assert.equal(await net.gateway.call('change', { remove: { sites: ['shop'] } }, Date.now()), 'changed');
    await net.isDropped('denied_in', async () => {
      await net.alice.call('say', 'shop', 'still there?');
      await new Promise(() => {});
    });
    await load({});
  });

  it('receive answers with any reverse path filter of the network interface', async () => {
    await load({});
    for (const strictness of [1, 2, 0]) {
      await net.gateway.exec('sysctl', '-qw', `net.ipv4.conf.lan0.rp_filter=${strictness}`);
      assert.equal(await net.alice.call('ask', RESOURCE.v4, 80, 'question', BRANCH.v4), 'question');
    }
  });

  it('close on time without an agent process', async () => {
    const end = Date.now() + 5_000;
    await load({ expiresAt: end });
    await net.alice.call('open', 'short', RESOURCE.v4, 8000, BRANCH.v4);
    await until('ticks', async () => (await net.alice.call('heard', 'short')).length > 3);
    await net.gateway.killWorker();
    await until('the kernel to drop the element', async () => {
      const text = await net.gateway.exec('nft', 'list', 'ruleset');
      return !/4000:1 (timeout|expires)/.test(text);
    });
    assert.ok(Date.now() >= end, 'not before its time');
    const heard = await net.alice.call('heard', 'short');
    assert.equal(await net.alice.succeeds('ping', '-c', '1', '-W', '1', '-I', BRANCH.v4, RESOURCE.v4), false);
    assert.equal(await net.alice.call('heard', 'short'), heard, 'nothing more arrives');
  });
});
