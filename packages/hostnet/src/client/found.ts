import type { ForeignRoute, FoundHost, FoundRoute } from '../host/found.ts';

/** The network of a native device as the system lists it, reduced to the facts that the plan needs. */
export interface FoundClient {
  readonly ipv6: boolean;
  readonly link: FoundHost['link'];
  /** Addresses on the tunnel interface, with prefix length and without IPv6 link-local addresses. */
  readonly addresses: readonly string[];
  /** Routes of our table that carry our protocol number. */
  readonly routes: readonly FoundRoute[];
  /** Number of foreign routes in our table. */
  readonly strangers: number;
  /** Foreign routes of the main table that lead to a destination. */
  readonly foreign: readonly HostRoute[];
  /**
   * Addresses on interfaces other than the tunnel and loopback, without prefix length and without link-local
   * addresses.
   */
  readonly own: readonly { readonly address: string; readonly device: string }[];
  /** Policy rules with our protocol number, as `ruleText` spells them. */
  readonly rules: { readonly v4: readonly string[]; readonly v6: readonly string[] };
  readonly sysctls: ReadonlyMap<string, string>;
}

/** A route of the main table. It is `connected` only if an address of the device is in exactly that network. */
export interface HostRoute extends ForeignRoute {
  /** True if the network exists only within the host: its bridge has virtual ports only. */
  readonly internal: boolean;
}
