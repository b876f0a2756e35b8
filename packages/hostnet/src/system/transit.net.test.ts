import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { SysctlChange } from '../host/sysctls.ts';
import { Namespace, namespacesMissing, until } from '../testing/namespaces.ts';
import { exampleState, GATEWAY_LAN, HOST, OTHER, OVERLAY, RESOURCE, Topology } from '../testing/topology.ts';
import type { Transit } from '../types.ts';

const skip = await namespacesMissing();
/** A host on a second network of the gateway's host. */
const STRANGER = { v4: '192.0.2.66', v6: 'fd02::66' } as const;
const GATEWAY_WAN = { v4: '192.0.2.1', v6: 'fd02::1' } as const;
const CONTAINER = { v4: '172.17.0.2', v6: 'fd17::2' } as const;
const FAMILIES = ['v4', 'v6'] as const;

describe('foreign packets on a host with forwarding enabled for the tunnel', { skip }, () => {
  const net = new Topology();
  const stranger = new Namespace('s');
  const container = new Namespace('c');
  let flows = 0;
  let changed: readonly SysctlChange[] = [];
  before(async () => {
    await Promise.all([net.start(), stranger.start(), container.start()]);
    await forwarding(0);
    await net.gateway.ip(`link add wan0 type veth peer name s0 netns ${stranger.name}
      address add ${GATEWAY_WAN.v4}/24 dev wan0
      address add ${GATEWAY_WAN.v6}/64 dev wan0 nodad
      link set wan0 up
      link add docker0 type bridge
      address add 172.17.0.1/16 dev docker0
      address add fd17::1/64 dev docker0 nodad
      link set docker0 up
      link add vc type veth peer name c0 netns ${container.name}
      link set vc master docker0 up`);
    await stranger.ip(`address add ${STRANGER.v4}/24 dev s0
      address add ${STRANGER.v6}/64 dev s0 nodad
      link set s0 up
      route add default via ${GATEWAY_WAN.v4}
      -6 route add default via ${GATEWAY_WAN.v6}`);
    await container.ip(`address add ${CONTAINER.v4}/16 dev c0
      address add ${CONTAINER.v6}/64 dev c0 nodad
      link set c0 up
      route add default via 172.17.0.1
      -6 route add default via fd17::1`);
    await Promise.all([stranger, container].map((space) => space.call('serve', 80)));
    await net.gateway.call('firewall', { interface: 'sp0', overlay: OVERLAY });
  });
  after(() => Promise.all([net, stranger, container].map((part) => part.stop())));

  const forwarding = (value: 0 | 1) =>
    net.gateway.exec('sysctl', '-qw', `net.ipv4.ip_forward=${value}`, `net.ipv6.conf.all.forwarding=${value}`);

  const load = (transit: Transit) => net.gateway.call('load', { ...exampleState(Date.now()), transit }, Date.now());

  /** Follows the agent's order: the table drops foreign packets before forwarding is enabled. */
  async function up(): Promise<Transit> {
    const { transit } = await net.gateway.call('hostFacts', 'sp0', changed);
    await load(transit);
    const { sysctls } = await net.gateway.call('hostUp', HOST);
    changed = [...changed, ...sysctls];
    return transit;
  }

  const reach = (from: Namespace, to: string) => () => from.call('open', `flow ${flows++}`, to, 80);

  it('are blocked in both families before forwarding is enabled, and stay blocked', async () => {
    const expected = { families: [4, 6], bridges: ['docker0'], virtual: ['docker0'] };
    assert.deepEqual(await up(), expected);
    assert.deepEqual(await up(), expected, 'known from what was changed');
    assert.deepEqual((await net.gateway.call('readBack', Date.now())).differences, []);
  });

  for (const family of FAMILIES) {
    it(`do not pass from one network to another: ${family}`, async () => {
      await up();
      await net.isDropped('transit', reach(stranger, OTHER[family]));
      await net.isDropped('transit', reach(net.resource, STRANGER[family]));
      await net.isDropped('transit', reach(stranger, CONTAINER[family]));
      await net.alice.call('open', `tunnel ${family}`, RESOURCE[family], 80);
      await net.gateway.call('open', `own ${family}`, STRANGER[family], 80);
    });

    it(`pass to and from a tunnel of another gateway: ${family}`, async () => {
      await up();
      await net.gateway.ip('link set wan0 group 83');
      await reach(stranger, OTHER[family])();
      await reach(net.resource, STRANGER[family])();
      await net.gateway.ip('link set wan0 group default');
      await net.isDropped('transit', reach(stranger, OTHER[family]));
    });

    it(`pass from containers of this host, and to published ports: ${family}`, async () => {
      await up();
      await reach(container, STRANGER[family])();
      const ip = family === 'v4' ? 'ip' : 'ip6';
      const to = family === 'v4' ? `${CONTAINER.v4}:80` : `[${CONTAINER.v6}]:80`;
      await net.gateway.exec(
        'nft',
        `add table ${ip} docker; add chain ${ip} docker pre { type nat hook prerouting priority dstnat; }; add rule ${ip} docker pre ${ip} daddr ${GATEWAY_WAN[family]} tcp dport 8080 dnat to ${to}`,
      );
      await stranger.call('open', `published ${family}`, GATEWAY_WAN[family], 8080);
    });

    it(`pass when a relay forwards them: ${family}`, async () => {
      await up();
      const id = `relay ${family}`;
      await stranger.call('bind', id, STRANGER[family], 4000);
      await net.resource.call('bind', id, RESOURCE[family], 5000);
      const a = { address: STRANGER[family], port: 4000, local: GATEWAY_WAN[family] };
      const b = { address: RESOURCE[family], port: 5000, local: GATEWAY_LAN[family] };
      const pair = { id: family, port: 52_001, a, b, bytesPerSecond: 1_000_000, expiresAt: null };
      await net.gateway.call('relayApply', [pair], Date.now());
      await until('a datagram', async () => {
        await stranger.call('send', id, `04000000${'00'.repeat(40)}`, GATEWAY_WAN[family], 52_001);
        return (await net.resource.call('datagrams', id)).length > 0;
      });
      await net.gateway.call('relayRemove');
    });
  }

  it('pass unchecked if forwarding was enabled before', async () => {
    await net.gateway.call('hostDown', HOST, changed);
    await net.gateway.call('remove');
    assert.equal((await net.gateway.exec('sysctl', '-n', 'net.ipv4.ip_forward')).trim(), '0', 'undone');
    await net.gateway.ip('link set sp0 group default');
    await forwarding(1);
    changed = [];
    assert.deepEqual(await up(), { families: [], bridges: [], virtual: [] });
    for (const family of FAMILIES) await reach(stranger, OTHER[family])();
  });

  it('are blocked only in the family in which the agent enabled forwarding', async () => {
    await net.gateway.call('hostDown', HOST, changed);
    await net.gateway.exec('sysctl', '-qw', 'net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=0');
    changed = [];
    assert.deepEqual((await up()).families, [6]);
    await reach(stranger, OTHER.v4)();
    await net.isDropped('transit', reach(stranger, OTHER.v6));
  });
});
