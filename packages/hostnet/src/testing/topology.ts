import assert from 'node:assert/strict';
import type { DropCounter } from '../firewall/ruleset.ts';
import type { FirewallState, HostState } from '../types.ts';
import { Namespace, until } from './namespaces.ts';

export const OVERLAY = { v4: '100.64.0.0/10', v6: 'fd7a:1::/48' } as const;
export const ALICE = { v4: '100.64.0.2', v6: 'fd7a:1::2' } as const;
export const BOB = { v4: '100.64.0.3', v6: 'fd7a:1::3' } as const;
export const GATEWAY_LAN = { v4: '10.9.0.1', v6: 'fd09::1' } as const;
export const RESOURCE = { v4: '10.9.0.10', v6: 'fd09::10' } as const;
export const OTHER = { v4: '10.9.0.11', v6: 'fd09::11' } as const;
export const FAR = { v4: '10.8.0.10', v6: 'fd08::10' } as const;

export const HOST: HostState = {
  interface: 'sp0',
  addresses: ['100.64.0.1/32', 'fd7a:1::1/128'],
  overlay: OVERLAY,
  mtu: 1500,
  routes: [],
};

/**
 * Two devices behind a wire that passes every packet to the gateway's tunnel interface, like WireGuard. Behind the
 * gateway stands a resource, which is also the router of a narrower link (1300 bytes).
 *
 *   alice ─┐
 *          wire ═ sp0 gateway lan0 ─ resource ─ far
 *   bob ───┘
 */
export class Topology {
  readonly alice = new Namespace('a');
  readonly bob = new Namespace('b');
  readonly wire = new Namespace('w');
  readonly gateway = new Namespace('g');
  readonly resource = new Namespace('r');
  readonly far = new Namespace('f');

  get #all(): Namespace[] {
    return [this.alice, this.bob, this.wire, this.gateway, this.resource, this.far];
  }

  async start(): Promise<void> {
    await Promise.all(this.#all.map((namespace) => namespace.start()));
    await this.makeTunnel();
    await this.gateway.ip(`
      link add lan0 mtu 1500 type veth peer name r0 netns ${this.resource.name}
      address add ${GATEWAY_LAN.v4}/24 dev lan0
      address add ${GATEWAY_LAN.v6}/64 dev lan0 nodad
      link set lan0 up
      route add 10.8.0.0/24 via ${RESOURCE.v4} onlink dev lan0
      route add fd08::/64 via ${RESOURCE.v6} onlink dev lan0`);
    await this.#makeResource();
    await this.#makeDevice(this.alice, ALICE, 'towards-alice');
    await this.#makeDevice(this.bob, BOB, 'towards-bob');
    await Promise.all([this.gateway, this.resource, this.far].map((namespace) => namespace.call('serve', 80)));
    await this.resource.call('serveTicks', 8000);
    await Promise.all([this.gateway, this.resource, this.bob].map((namespace) => namespace.call('serve', 81)));
  }

  /** Starts everything, with the firewall of `exampleState` at the gateway. */
  async startFiltering(): Promise<void> {
    await this.start();
    await this.gateway.call('firewall', { interface: 'sp0', overlay: OVERLAY });
    await this.gateway.call('load', exampleState(Date.now()), Date.now());
    await this.gateway.call('hostUp', HOST);
  }

  async stop(): Promise<void> {
    await Promise.all(this.#all.map((namespace) => namespace.stop()));
  }

  /** Returns the packets that the gateway's table has dropped for this reason. */
  async dropped(counter: DropCounter): Promise<number> {
    return (await this.gateway.call('counters')).drops[counter].packets;
  }

  /** Checks that the attempt never succeeds, and that our table stops it. Ends the attempt. */
  async isDropped(counter: DropCounter, attempt: () => Promise<unknown>): Promise<void> {
    const before = await this.dropped(counter);
    let outcome = 'pending';
    attempt().then(
      () => (outcome = 'succeeded'),
      (error: Error) => (outcome = error.message),
    );
    await until(`${counter} counts (outcome: ${outcome})`, async () => (await this.dropped(counter)) > before);
    assert.equal(outcome, 'pending');
    // Retransmissions would count again, as packets of a later attempt.
    await Promise.all(this.#all.map((namespace) => namespace.call('abandon')));
  }

  /** Creates the tunnel. It has no address resolution, so both ends need the same hardware address. */
  async makeTunnel(): Promise<void> {
    await this.gateway.ip(`link add sp0 type veth peer name wire0 netns ${this.wire.name}`);
    for (const [namespace, name] of [
      [this.gateway, 'sp0'],
      [this.wire, 'wire0'],
    ] as const) {
      await namespace.ip(`link set ${name} address 02:00:00:00:00:01 arp off addrgenmode none`);
    }
    await this.wire.ip(`
      link set wire0 up
      route add default dev wire0 table 100
      -6 route add default dev wire0 table 100`);
  }

  async #makeDevice(device: Namespace, address: typeof ALICE | typeof BOB, label: string): Promise<void> {
    await this.wire.exec('sysctl', '-qw', 'net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1');
    await this.wire.ip(`
      link add ${label} type veth peer name tun netns ${device.name}
      link set ${label} address 02:00:00:00:00:02 arp off addrgenmode none up
      route add ${address.v4} dev ${label}
      route add ${address.v6} dev ${label}
      rule add pref 10 iif ${label} lookup 100
      -6 rule add pref 10 iif ${label} lookup 100`);
    await device.ip(`
      link set tun address 02:00:00:00:00:02 arp off addrgenmode none up
      address add ${address.v4}/32 dev tun
      address add ${address.v6}/128 dev tun nodad
      route add default dev tun src ${address.v4}
      -6 route add default dev tun src ${address.v6}`);
  }

  async #makeResource(): Promise<void> {
    await this.resource.exec('sysctl', '-qw', 'net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1');
    await this.resource.ip(`
      address add ${RESOURCE.v4}/24 dev r0
      address add ${OTHER.v4}/24 dev r0
      address add ${RESOURCE.v6}/64 dev r0 nodad
      address add ${OTHER.v6}/64 dev r0 nodad preferred_lft 0
      link set r0 up
      route add default via ${GATEWAY_LAN.v4}
      -6 route add default via ${GATEWAY_LAN.v6}
      link add narrow mtu 1300 type veth peer name f0 mtu 1300 netns ${this.far.name}
      address add 10.8.0.1/24 dev narrow
      address add fd08::1/64 dev narrow nodad
      link set narrow up`);
    await this.far.ip(`
      address add ${FAR.v4}/24 dev f0
      address add ${FAR.v6}/64 dev f0 nodad
      link set f0 up
      route add default via 10.8.0.1
      -6 route add default via fd08::1`);
  }
}

/**
 * Alice may reach ports 80 and 8000 to 8010 of the resource and the far host, and ping them. Bob and a branch are known
 * and have no access.
 */
export function exampleState(now: number): FirewallState {
  const single = (address: string): string => `${address}-${address}`;
  return {
    masquerade: true,
    draining: false,
    leaseUntil: now + 3_600_000,
    devices: new Map([
      ['alice', { id: 'alice', addresses: [ALICE.v4, ALICE.v6], profile: 'staff', expiresAt: null }],
      ['bob', { id: 'bob', addresses: [BOB.v4, BOB.v6], profile: 'guests', expiresAt: null }],
    ]),
    sites: new Map([['branch', { id: 'branch', prefixes: ['10.1.0.0/16'], profile: 'guests', expiresAt: null }]]),
    gateways: new Map(),
    egress: new Map(),
    classes: new Map([
      ['web', { id: 'web', ranges: [RESOURCE, FAR].flatMap(({ v4, v6 }) => [single(v4), single(v6)]) }],
      ['idle', { id: 'idle', ranges: [single('10.9.0.77')] }],
    ]),
    profiles: new Map([
      ['staff', { id: 'staff', cells: [{ class: 'web', bundle: 'http', expiresAt: null }] }],
      ['guests', { id: 'guests', cells: [] }],
    ]),
    bundles: new Map([
      [
        'http',
        {
          id: 'http',
          grants: [
            { protocol: 'tcp', from: 80, to: 80, policy: 'p-web' },
            { protocol: 'udp', from: 80, to: 80, policy: 'p-web' },
            { protocol: 'tcp', from: 8000, to: 8010, policy: 'p-web' },
            { protocol: 'icmp', from: 0, to: 65535, policy: 'p-ping' },
          ],
        },
      ],
    ]),
  };
}
