import type { ForeignRoute, FoundHost, FoundRoute } from '../host/found.ts';

/** The network of a native device as the system lists it, reduced to what the plan needs. */
export interface FoundClient {
  readonly ipv6: boolean;
  readonly link: FoundHost['link'];
  /** Addresses on the tunnel interface, with prefix length; without IPv6 link-local ones. */
  readonly addresses: readonly string[];
  /** Of our table, with our protocol number. */
  readonly routes: readonly FoundRoute[];
  /** How many routes of our table are not ours. */
  readonly strangers: number;
  /** Of the main table, everybody else's that lead somewhere. */
  readonly foreign: readonly HostRoute[];
  /** Addresses on other interfaces than the tunnel and loopback, without prefix length and link-local ones. */
  readonly own: readonly { readonly address: string; readonly device: string }[];
  /** Policy rules with our protocol number, as `ruleText` spells them. */
  readonly rules: { readonly v4: readonly string[]; readonly v6: readonly string[] };
  readonly sysctls: ReadonlyMap<string, string>;
}

/** A route of the main table. It is `connected` only if an address of the device is in just that network. */
export interface HostRoute extends ForeignRoute {
  /** The network exists within the host only: nothing but virtual ports is at its bridge. */
  readonly internal: boolean;
}
