import type { Grant } from '@sallyport/contract/channel';

/**
 * What the host's network should look like, as plain data. The pure half of this package turns it into text
 * (nft scripts, `ip` batches); the thin half hands that text to the system. Nothing here knows why a packet is allowed.
 */

/** A device: the overlay addresses that its packets carry, and the profile that decides over them. */
export interface FirewallDevice {
  readonly id: string;
  /** Single overlay addresses without prefix length, IPv4 and IPv6. */
  readonly addresses: readonly string[];
  readonly profile: string | null;
  /** Epoch milliseconds, enforced by a kernel timeout; null: until the lease ends. */
  readonly expiresAt: number | null;
}

/** Sources behind another gateway: every address of the prefixes is treated like a device of the profile. */
export interface Site {
  readonly id: string;
  /** IPv4 and IPv6, `10.1.0.0/16`. Prefixes of different sites never overlap; overlay addresses are never meant. */
  readonly prefixes: readonly string[];
  readonly profile: string;
  /** Epoch milliseconds, enforced by a kernel timeout; null: until the lease ends. */
  readonly expiresAt: number | null;
}

/** Another gateway that the tunnel leads to: errors that it sends itself are believed. */
export interface PeerGateway {
  readonly id: string;
  /** Single overlay addresses without prefix length, IPv4 and IPv6. */
  readonly addresses: readonly string[];
  /** Epoch milliseconds, enforced by a kernel timeout; null: until the lease ends. */
  readonly expiresAt: number | null;
}

/**
 * Sources behind this gateway that may begin flows into the tunnel, to destinations behind another one. What they may do
 * there is decided over there; replies come back, and nothing else from the tunnel is let in by it.
 */
export interface Egress {
  readonly id: string;
  /** IPv4 and IPv6, `10.1.0.0/16`. May overlap with other items; the overlay is never meant, whatever they hold of it. */
  readonly sources: readonly string[];
  readonly destinations: readonly string[];
  /** Epoch milliseconds, enforced by a kernel timeout; null: until the lease ends. */
  readonly expiresAt: number | null;
}

/** A class of destination addresses that all policies treat alike. Ranges of different classes never overlap. */
export interface AddressClass {
  readonly id: string;
  /** Inclusive ranges `first-last` in canonical text, one family each: `10.0.0.1-10.0.0.9`, `fd00::1-fd00::1`. */
  readonly ranges: readonly string[];
  /**
   * The internet at large: the host's own addresses and the networks right at it are never meant, whatever the ranges hold of
   * them. Absent: no.
   */
  readonly internet?: boolean;
}

/** A bundle that the kernel goes on with when the one before has expired. */
export interface Successor {
  readonly bundle: string;
  readonly expiresAt: number | null;
}

/** What a profile may do in one class: the bundle of ports that it gets there. */
export interface Cell {
  readonly class: string;
  readonly bundle: string;
  readonly expiresAt: number | null;
  /** In order of their expiry, three at most; absent: nothing stays open. */
  readonly after?: readonly Successor[] | undefined;
  /** Devices come in here to go on: their packets to the class go back into the tunnel and nowhere else. Absent: never there. */
  readonly onward?: boolean | undefined;
}

/** Devices with the same outcome share a profile. At most one cell per class. */
export interface Profile {
  readonly id: string;
  readonly cells: readonly Cell[];
}

/** A set of port grants, disjoint per protocol. */
export interface Bundle {
  readonly id: string;
  readonly grants: readonly Grant[];
}

/** Packets of others that this host forwards though they concern no tunnel. */
export interface Transit {
  /** Families in which they are dropped, because forwarding is on only for us. None: they are left alone. */
  readonly families: readonly (4 | 6)[];
  /** All bridges: what one hands on between its own ports passes. */
  readonly bridges: readonly string[];
  /** Bridges to which only containers and virtual machines of this host belong: these may begin flows. */
  readonly virtual: readonly string[];
}

/** What the host itself has to say about its table, beside the items. */
export type HostFacts = Required<Pick<FirewallState, 'transit' | 'near'>>;

/** Everything that the gateway's nftables table says. Allow-only: what no cell admits is dropped. */
export interface FirewallState {
  readonly masquerade: boolean;
  /** Intent MAINTENANCE: flows that exist go on, new ones are rejected with ICMP administratively prohibited. */
  readonly draining: boolean;
  /** Absent: packets of others are left alone. */
  readonly transit?: Transit;
  /** CIDR of networks right at this host, which are not the internet. Absent: none. */
  readonly near?: readonly string[];
  /** End of the lease, epoch milliseconds: from then on the kernel admits nothing, whatever the elements say. */
  readonly leaseUntil: number;
  readonly devices: ReadonlyMap<string, FirewallDevice>;
  readonly sites: ReadonlyMap<string, Site>;
  readonly gateways: ReadonlyMap<string, PeerGateway>;
  readonly egress: ReadonlyMap<string, Egress>;
  readonly classes: ReadonlyMap<string, AddressClass>;
  readonly profiles: ReadonlyMap<string, Profile>;
  readonly bundles: ReadonlyMap<string, Bundle>;
}

/** Link, addresses, routes and rules of a gateway's tunnel interface. */
export interface HostState {
  /** Interface name, at most 15 characters. */
  readonly interface: string;
  /** Own overlay addresses with prefix length, e.g. `100.64.0.1/32`, `fd7a:…::1/128`. */
  readonly addresses: readonly string[];
  /** Whole overlay, CIDR per family. */
  readonly overlay: { readonly v4: string; readonly v6: string };
  /** Prefixes of the overlay that are in use: routed into the tunnel, blackholed behind it. Absent: all of it. */
  readonly members?: readonly string[];
  readonly mtu: number;
  /**
   * What is behind other gateways and has to do with networks here: destinations of egress, sites. Only packets that the
   * firewall marks are routed by it. Where the host's own network is in the way, that wins, and it is reported as a conflict.
   */
  readonly routes: readonly string[];
  /** Whether devices come in here to go on to other gateways. Absent: none do. */
  readonly onward?: boolean;
}

/** A service that is always reached past the tunnel: without it, nothing could be learned that brings a dead tunnel back. */
export interface DirectTarget {
  /** One address, without prefix length. */
  readonly address: string;
  readonly protocol: 'tcp' | 'udp';
  readonly port: number;
}

/** Link, addresses, routes and rules of a native device's tunnel interface. */
export interface ClientHostState {
  /** Interface name, at most 15 characters. */
  readonly interface: string;
  /** Own overlay addresses with prefix length, as in `HostState`. */
  readonly addresses: readonly string[];
  /** Whole overlay, CIDR per family. */
  readonly overlay: { readonly v4: string; readonly v6: string };
  /** Addresses of the gateways in the overlay: routed into the tunnel while there are prefixes. Absent: all of the overlay. */
  readonly members?: readonly string[];
  readonly mtu: number;
  /**
   * Destinations to route into the tunnel; `0.0.0.0/0` and `::/0` make a full tunnel. They win over every route that the
   * host has or learns. A single gateway address may be given beside the overlay, to win over a connected network. None:
   * nothing is routed.
   */
  readonly prefixes: readonly string[];
  /** Those of `prefixes` that no resource asks for: the internet of a full tunnel. Default routes are always meant. */
  readonly internet?: readonly string[];
  /** Which part of local networks a full tunnel leaves to the host. Absent: resolvers (port 53). */
  readonly localNetwork?: 'CLOSED' | 'RESOLVERS' | 'OPEN';
  /** Mark of the packets that WireGuard itself sends, which must not go into the tunnel. Not 0. */
  readonly mark: number;
  /** Number of a routing table that nobody else uses, 256 or more. */
  readonly table: number;
  /** Absent: none. */
  readonly direct?: readonly DirectTarget[];
  /** User whose sockets reach `direct`. Absent: everybody's, so a name that resolves to a resource opens its port. */
  readonly uid?: number;
}

/** A prefix of the tunnel that the host's own network has too, or a part of it, and which of the two packets follow. */
export interface RouteContest {
  /** Of the tunnel. */
  readonly prefix: string;
  /** Of the host. */
  readonly route: string;
  readonly device: string;
  /** `connected`: a network at the device. `learned`: any other route. `own`: an address of the host. */
  readonly kind: 'connected' | 'learned' | 'own';
  readonly winner: 'tunnel' | 'host';
  /** Whether resolvers of the network are reached past the tunnel. */
  readonly resolvers: boolean;
}

/** One end of a relayed pair, as it was learned. */
export interface RelaySide {
  /** Where its datagrams come from, and are sent to. */
  readonly address: string;
  readonly port: number;
  /** The relay's own address at which they arrive, and from which they are answered. */
  readonly local: string;
}

/** Two ends between which WireGuard transport data is forwarded, at one UDP port that both send to. */
export interface RelayPair {
  /** At most 100 letters, digits and `-`; other characters count for more. */
  readonly id: string;
  /** Every pair has one of its own. */
  readonly port: number;
  /** Null: not known yet. Pairs that are not known on both sides, or of which the families differ, are left to the socket. */
  readonly a: RelaySide | null;
  readonly b: RelaySide | null;
  /** Both directions together. */
  readonly bytesPerSecond: number;
  /** Epoch milliseconds, enforced by a kernel timeout; null: until it is removed. */
  readonly expiresAt: number | null;
}
