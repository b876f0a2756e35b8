/** The host's network as the system lists it, reduced to what the plan needs. */
export interface FoundHost {
  /** Whether the tunnel can have IPv6 at all. */
  readonly ipv6: boolean;
  /** Null if the interface does not exist. */
  readonly link: { readonly mtu: number; readonly up: boolean; readonly group?: string } | null;
  /** Addresses on the tunnel interface, with prefix length; without IPv6 link-local ones. */
  readonly addresses: readonly string[];
  /** Of the main table, with our protocol number. */
  readonly routes: readonly FoundRoute[];
  /** Of the tables of ways, with our protocol number. Absent: none. */
  readonly ways?: { readonly away: readonly FoundRoute[]; readonly onward: readonly FoundRoute[] };
  /** Rules that lead there, with our protocol number, as `wayRuleTexts` spells them. Absent: none. */
  readonly wayRules?: { readonly v4: readonly string[]; readonly v6: readonly string[] };
  /** Of the main table, everybody else's that lead somewhere; may be left out when no further routes are wanted. */
  readonly foreign: readonly ForeignRoute[];
  /** Of all tables, everybody else's within the overlay or around it, without default routes; addresses of the host too. */
  readonly around?: readonly ForeignRoute[];
  /** Addresses of the resolvers that the host asks. */
  readonly resolvers?: readonly string[];
  /** In the order in which the kernel looks at them. */
  readonly rules: { readonly v4: readonly FoundRule[]; readonly v6: readonly FoundRule[] };
  /** Value of each sysctl that `sysctlPaths` asks for; missing files are left out. */
  readonly sysctls: ReadonlyMap<string, string>;
  /** Those of them that cannot be written. */
  readonly fixed?: ReadonlySet<string>;
}

/** Somebody else's route. */
export interface ForeignRoute {
  /** Canonical prefix, `0.0.0.0/0` and `::/0` for default routes. */
  readonly destination: string;
  readonly device: string;
  /** Whether the network is right behind the device, without a router. */
  readonly connected: boolean;
}

/** A route that carries our protocol number, and points into the tunnel or nowhere. */
export interface FoundRoute {
  readonly kind: 'unicast' | 'blackhole' | 'unreachable' | 'throw';
  readonly destination: string;
  readonly metric: number;
}

/** A routing rule that the host has. */
export interface FoundRule {
  readonly priority: number;
  readonly action: 'prohibit' | 'lookup' | 'other';
  /** Table of a `lookup`. */
  readonly table: string | null;
  readonly iif: string | null;
  readonly fwmark: number;
  readonly fwmask: number;
  /** Whether it has any other selector, or is negated. */
  readonly narrowed: boolean;
}
