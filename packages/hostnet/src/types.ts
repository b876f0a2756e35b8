import type { Grant } from '@sallyport/contract/channel';

/**
 * The wanted state of the host's network, as plain data. The pure half of this package turns it into text (nft scripts,
 * `ip` batches). The thin half hands that text to the system. This package does not know why a packet is allowed.
 */

/** A device: the overlay addresses that its packets carry, and the profile that decides about them. */
export interface FirewallDevice {
  readonly id: string;
  /** Single overlay addresses without prefix length, IPv4 and IPv6. */
  readonly addresses: readonly string[];
  readonly profile: string | null;
  /** Epoch milliseconds, enforced by a kernel timeout. Null: until the lease ends. */
  readonly expiresAt: number | null;
}

/** Sources behind another gateway. Every address of the prefixes is treated like a device of the profile. */
export interface Site {
  readonly id: string;
  /** IPv4 and IPv6, e.g. `10.1.0.0/16`. Prefixes of different sites never overlap. Overlay addresses are excluded. */
  readonly prefixes: readonly string[];
  readonly profile: string;
  /** Epoch milliseconds, enforced by a kernel timeout. Null: until the lease ends. */
  readonly expiresAt: number | null;
}

/** Another gateway that the tunnel leads to. ICMP errors that it sends itself are accepted. */
export interface PeerGateway {
  readonly id: string;
  /** Single overlay addresses without prefix length, IPv4 and IPv6. */
  readonly addresses: readonly string[];
  /** Epoch milliseconds, enforced by a kernel timeout. Null: until the lease ends. */
  readonly expiresAt: number | null;
}

/**
 * Sources behind this gateway that may begin flows into the tunnel, to destinations behind another gateway. The other
 * gateway decides what they may do there. Replies come back; the item admits nothing else from the tunnel.
 */
export interface Egress {
  readonly id: string;
  /**
   * IPv4 and IPv6, e.g. `10.1.0.0/16`. They may overlap with other items. Overlay addresses are excluded, even if the
   * prefixes contain them.
   */
  readonly sources: readonly string[];
  readonly destinations: readonly string[];
  /** Epoch milliseconds, enforced by a kernel timeout. Null: until the lease ends. */
  readonly expiresAt: number | null;
}

/** A class of destination addresses that all policies treat alike. Ranges of different classes never overlap. */
export interface AddressClass {
  readonly id: string;
  /** Inclusive ranges `first-last` in canonical text. Each has one family: `10.0.0.1-10.0.0.9`, `fd00::1-fd00::1`. */
  readonly ranges: readonly string[];
  /**
   * Whether the class is the public internet. It then excludes the host's own addresses and directly connected
   * networks, even if the ranges contain them. Absent: no.
   */
  readonly internet?: boolean;
}

/** A bundle that the kernel uses after the previous bundle has expired. */
export interface Successor {
  readonly bundle: string;
  readonly expiresAt: number | null;
}

/** The permissions of a profile in one class: its bundle of ports there. */
export interface Cell {
  readonly class: string;
  readonly bundle: string;
  readonly expiresAt: number | null;
  /** Successors in order of their expiry, at most three. Absent: nothing stays open. */
  readonly after?: readonly Successor[] | undefined;
  /**
   * Whether devices pass through this gateway to the class: their packets go back into the tunnel and nowhere else.
   * Absent: no.
   */
  readonly onward?: boolean | undefined;
}

/** Devices with the same outcome share a profile. At most one cell per class. */
export interface Profile {
  readonly id: string;
  readonly cells: readonly Cell[];
}

/** A set of port grants. The grants of one protocol do not overlap. */
export interface Bundle {
  readonly id: string;
  readonly grants: readonly Grant[];
}

/** Foreign packets that this host forwards outside any tunnel. */
export interface Transit {
  /**
   * Families in which they are dropped, because forwarding is enabled only for the tunnel. Empty: they pass unchecked.
   */
  readonly families: readonly (4 | 6)[];
  /** All bridges. Packets between ports of one bridge pass. */
  readonly bridges: readonly string[];
  /** Bridges with only containers and virtual machines of this host. These may begin flows. */
  readonly virtual: readonly string[];
}

/** Facts about the host that its table needs besides the items. */
export type HostFacts = Required<Pick<FirewallState, 'transit' | 'near'>>;

/**
 * The translation of host names: real addresses by virtual address, both canonical and of one family. A virtual address
 * without a real one is rejected.
 */
export type Names = ReadonlyMap<string, string>;

/** Changed translations of host names: the new real address by virtual address; null: it has none any more. */
export type NamesChange = ReadonlyMap<string, string | null>;

/** The content of the gateway's nftables table. It is allow-only: a packet that no cell admits is dropped. */
export interface FirewallState {
  readonly masquerade: boolean;
  /** Intent MAINTENANCE. Existing flows continue; new flows are rejected with ICMP administratively prohibited. */
  readonly draining: boolean;
  /** Absent: foreign packets pass unchecked. */
  readonly transit?: Transit;
  /** CIDR of networks directly connected to this host, which are not the internet. Absent: none. */
  readonly near?: readonly string[];
  /** Absent: this gateway translates no names. */
  readonly names?: Names;
  /** End of the lease in epoch milliseconds. After it the kernel admits nothing, whatever the elements contain. */
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
  /** Interface name of at most 15 characters. */
  readonly interface: string;
  /** Own overlay addresses with prefix length, e.g. `100.64.0.1/32`, `fd7a:…::1/128`. */
  readonly addresses: readonly string[];
  /** The whole overlay, one CIDR for each family. */
  readonly overlay: { readonly v4: string; readonly v6: string };
  /**
   * Used prefixes of the overlay. They are routed into the tunnel, with a blackhole behind it. Absent: the whole
   * overlay.
   */
  readonly members?: readonly string[];
  readonly mtu: number;
  /**
   * Prefixes behind other gateways that concern networks here: destinations of egress, and sites. Only packets marked
   * by the firewall use these routes. If the host's own network conflicts with one, the host's network wins and the
   * conflict is reported.
   */
  readonly routes: readonly string[];
  /** Whether devices pass through this gateway to other gateways. Absent: no. */
  readonly onward?: boolean;
}

/**
 * A service that is always reached outside the tunnel. Without it, the client could not learn how to restore a dead
 * tunnel.
 */
export interface DirectTarget {
  /** One address, without prefix length. */
  readonly address: string;
  readonly protocol: 'tcp' | 'udp';
  readonly port: number;
}

/** Link, addresses, routes and rules of a native device's tunnel interface. */
export interface ClientHostState {
  /** Interface name of at most 15 characters. */
  readonly interface: string;
  /** Own overlay addresses with prefix length, as in `HostState`. */
  readonly addresses: readonly string[];
  /** The whole overlay, one CIDR for each family. */
  readonly overlay: { readonly v4: string; readonly v6: string };
  /**
   * Overlay addresses of the gateways. They are routed into the tunnel while there are prefixes. Absent: the whole
   * overlay.
   */
  readonly members?: readonly string[];
  readonly mtu: number;
  /**
   * Destinations to route into the tunnel. `0.0.0.0/0` and `::/0` make a full tunnel. They win over every route that
   * the host has or learns. A single gateway address may be listed besides the overlay, to win over a connected
   * network. Empty: nothing is routed.
   */
  readonly prefixes: readonly string[];
  /**
   * Those of `prefixes` that no resource requires: the internet of a full tunnel. Default routes are always included.
   */
  readonly internet?: readonly string[];
  /** The part of local networks that a full tunnel leaves to the host. Absent: resolvers (port 53). */
  readonly localNetwork?: 'CLOSED' | 'RESOLVERS' | 'OPEN';
  /** Mark of the packets that WireGuard itself sends, which must not enter the tunnel. Not 0. */
  readonly mark: number;
  /** Number of an otherwise unused routing table, 256 or more. */
  readonly table: number;
  /** Absent: none. */
  readonly direct?: readonly DirectTarget[];
  /** User whose sockets reach `direct`. Absent: all users, so a name that resolves to a resource opens its port. */
  readonly uid?: number;
}

/** A prefix of the tunnel that overlaps with a route of the host's own network, and the one that packets follow. */
export interface RouteContest {
  /** Prefix of the tunnel. */
  readonly prefix: string;
  /** Route of the host. */
  readonly route: string;
  readonly device: string;
  /** `connected`: a directly connected network. `learned`: any other route. `own`: an address of the host. */
  readonly kind: 'connected' | 'learned' | 'own';
  readonly winner: 'tunnel' | 'host';
  /** Whether resolvers of the network are reached outside the tunnel. */
  readonly resolvers: boolean;
}

/** The learned addresses of one end of a relayed pair. */
export interface RelaySide {
  /** Source of its datagrams, and destination of datagrams to it. */
  readonly address: string;
  readonly port: number;
  /** The relay's own address that receives its datagrams and sends to it. */
  readonly local: string;
}

/** Two ends that exchange WireGuard transport data through one UDP port, to which both send. */
export interface RelayPair {
  /** At most 100 letters, digits and `-`. Other characters count as several. */
  readonly id: string;
  /** Each pair has its own port. */
  readonly port: number;
  /** Null: not known yet. A pair with an unknown side or two different families is left to the socket. */
  readonly a: RelaySide | null;
  readonly b: RelaySide | null;
  /** Limit for both directions together. */
  readonly bytesPerSecond: number;
  /** Epoch milliseconds, enforced by a kernel timeout. Null: until the pair is removed. */
  readonly expiresAt: number | null;
}
