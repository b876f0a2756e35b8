/** The host's network as the system lists it, reduced to the facts that the plan needs. */
export interface FoundHost {
  /** Whether the tunnel can carry IPv6. */
  readonly ipv6: boolean;
  /** Null if the interface does not exist. */
  readonly link: { readonly mtu: number; readonly up: boolean; readonly group?: string } | null;
  /** Addresses on the tunnel interface, with prefix length and without IPv6 link-local addresses. */
  readonly addresses: readonly string[];
  /** Routes of the main table with our protocol number. */
  readonly routes: readonly FoundRoute[];
  /** Routes of the tables of ways with our protocol number; absent means none. */
  readonly ways?: { readonly away: readonly FoundRoute[]; readonly onward: readonly FoundRoute[] };
  /** Rules that lead to those tables, with our protocol number, as `wayRuleTexts` spells them; absent means none. */
  readonly wayRules?: { readonly v4: readonly string[]; readonly v6: readonly string[] };
  /** Foreign routes of the main table that lead to a destination. May be absent when no further routes are wanted. */
  readonly foreign: readonly ForeignRoute[];
  /**
   * Foreign routes of all tables within or around the overlay, without default routes. It includes addresses of the
   * host.
   */
  readonly around?: readonly ForeignRoute[];
  /** Addresses of the resolvers that the host uses. */
  readonly resolvers?: readonly string[];
  /** Rules in the order in which the kernel reads them. */
  readonly rules: { readonly v4: readonly FoundRule[]; readonly v6: readonly FoundRule[] };
  /** Value of each sysctl that `sysctlPaths` lists, without missing files. */
  readonly sysctls: ReadonlyMap<string, string>;
  /** Sysctls among those that cannot be written. */
  readonly fixed?: ReadonlySet<string>;
}

/** A foreign route. */
export interface ForeignRoute {
  /** Canonical prefix; `0.0.0.0/0` and `::/0` for default routes. */
  readonly destination: string;
  readonly device: string;
  /** Whether the network is directly behind the device, without a router. */
  readonly connected: boolean;
}

/** A route with our protocol number that leads into the tunnel or nowhere. */
export interface FoundRoute {
  readonly kind: 'unicast' | 'blackhole' | 'unreachable' | 'throw';
  readonly destination: string;
  readonly metric: number;
}

/** A routing rule that the host has. */
export interface FoundRule {
  readonly priority: number;
  readonly action: 'prohibit' | 'lookup' | 'other';
  /** The table of a `lookup`. */
  readonly table: string | null;
  readonly iif: string | null;
  readonly fwmark: number;
  readonly fwmask: number;
  /** Whether the rule has any other selector, or is negated. */
  readonly narrowed: boolean;
}
