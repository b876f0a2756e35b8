import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { formatRange, parseRange, withoutRanges } from '../ip.ts';
import { Namespace, namespacesMissing } from '../testing/namespaces.ts';
import { exampleState, HOST, OVERLAY, Topology } from '../testing/topology.ts';
import type { FirewallState, HostFacts } from '../types.ts';

const skip = await namespacesMissing();
const FAMILIES = ['v4', 'v6'] as const;
/** Global addresses on the gateway's own network, as on most networks. */
const GATEWAY = { v4: '51.15.0.1', v6: '2a01:4f8:1::1' } as const;
const NEIGHBOUR = { v4: '51.15.0.10', v6: '2a01:4f8:1::10' } as const;
/** A network that the gateway joins later. */
const LATER = { v4: '62.4.0.10', v6: '2a02:1::10' } as const;
/** Behind the neighbour: an address of the internet. */
const FAR = { v4: '198.41.0.4', v6: '2001:500::4' } as const;

describe('the internet of a gateway', { skip }, () => {
  const net = new Topology();
  const server = new Namespace('i');
  before(async () => {
    await Promise.all([net.start(), server.start()]);
    await net.gateway.ip(`address add ${GATEWAY.v4}/24 dev lan0
      address add ${GATEWAY.v6}/64 dev lan0 nodad
      address add 51.16.0.1/32 dev lan0
      route add ${FAR.v4}/32 via ${NEIGHBOUR.v4}
      route add ${FAR.v6}/128 via ${NEIGHBOUR.v6}
      route add ${LATER.v4}/32 via ${NEIGHBOUR.v4}
      route add ${LATER.v6}/128 via ${NEIGHBOUR.v6}`);
    await net.resource.ip(`address add ${NEIGHBOUR.v4}/24 dev r0
      address add ${NEIGHBOUR.v6}/64 dev r0 nodad
      link add away type veth peer name i0 netns ${server.name}
      address add 10.5.0.1/24 dev away
      address add fd05::1/64 dev away nodad
      link set away up
      route add ${FAR.v4} via 10.5.0.2
      route add ${LATER.v4} via 10.5.0.2`);
    await server.ip(`address add 10.5.0.2/24 dev i0
      address add fd05::2/64 dev i0 nodad
      link set i0 up`);
    await net.resource.ip(`route add ${FAR.v6} via fd05::2\n route add ${LATER.v6} via fd05::2`);
    for (const { v4, v6 } of [FAR, LATER])
      await server.ip(`address add ${v4}/32 dev i0\n address add ${v6}/128 dev i0 nodad`);
    await server.ip('route add default via 10.5.0.1\n -6 route add default via fd05::1');
    await server.call('serve', 80);
    await net.gateway.call('firewall', { interface: 'sp0', overlay: OVERLAY });
    await load();
    await net.gateway.call('hostUp', HOST);
  });
  after(() => Promise.all([net, server].map((part) => part.stop())));

  const facts = (): Promise<HostFacts> => net.gateway.call('hostFacts', 'sp0', []);

  /** Gives Alice the whole public internet, and nothing else except a named resource. */
  async function load(named: readonly string[] = []): Promise<void> {
    const state = exampleState(Date.now());
    const cell = (id: string) => ({ class: id, bundle: 'http', expiresAt: null });
    const ranges = [
      '40.0.0.0-99.255.255.255',
      '198.32.0.0-198.127.255.255',
      '2000::-2fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff',
    ];
    const change: Partial<FirewallState> = {
      classes: new Map([
        ['internet', { id: 'internet', ranges: cut(ranges, named), internet: true }],
        ['named', { id: 'named', ranges: named.map((address) => `${address}-${address}`) }],
      ]),
      profiles: new Map([['staff', { id: 'staff', cells: [cell('internet'), cell('named')] }]]),
      ...(await facts()),
    };
    await net.gateway.call('load', { ...state, ...change }, Date.now());
  }

  const reach = (address: string, port = 80) => net.alice.call('open', `${address} ${port}`, address, port);

  for (const family of FAMILIES) {
    it(`consists of destinations behind routers: ${family}`, async () => {
      await load();
      await reach(FAR[family]);
    });

    it(`excludes the gateway itself and directly connected networks: ${family}`, async () => {
      await load();
      await net.isDropped('denied_in', () => reach(GATEWAY[family]));
      await net.isDropped('denied_in', () => reach(NEIGHBOUR[family]));
      assert.deepEqual((await net.gateway.call('readBack', Date.now())).differences, []);
    });

    it(`excludes an address that the gateway got after the load of its table: ${family}`, async () => {
      await load();
      await net.gateway.ip(`address add ${FAR[family]} dev lan0`);
      await net.isDropped('denied_in', () => reach(FAR[family]));
      await net.gateway.ip(`address del ${FAR[family]} dev lan0`);
      await reach(FAR[family], 80);
    });

    it(`excludes destinations that a resource names: ${family}`, async () => {
      await load([GATEWAY[family], NEIGHBOUR[family]]);
      await reach(GATEWAY[family]);
      await reach(NEIGHBOUR[family]);
    });
  }

  it('loses only a network that the gateway joins, and regains it when the gateway leaves', async () => {
    await load();
    for (const family of FAMILIES) await reach(LATER[family]);
    await net.gateway.ip('address add 62.4.0.1/24 dev lan0\n address add 2a02:1::1/64 dev lan0 nodad');
    assert.equal(await net.gateway.call('change', { settings: await facts() }, Date.now()), 'changed');
    assert.deepEqual((await net.gateway.call('readBackTouched', Date.now())).differences, []);
    assert.deepEqual((await net.gateway.call('readBack', Date.now())).differences, []);
    for (const family of FAMILIES) {
      await net.isDropped('denied_in', () => reach(LATER[family]));
      await reach(FAR[family]);
    }
    await net.gateway.ip('address del 62.4.0.1/24 dev lan0\n address del 2a02:1::1/64 dev lan0');
    assert.equal(await net.gateway.call('change', { settings: await facts() }, Date.now()), 'changed');
    for (const family of FAMILIES) await reach(LATER[family]);
  });
});

/** Removes named ranges from the internet, as the policy compiler does. */
function cut(ranges: readonly string[], addresses: readonly string[]): string[] {
  const holes = addresses.map((address) => parseRange(`${address}-${address}`));
  return ranges.flatMap((text) => withoutRanges(parseRange(text), holes).map(formatRange));
}
