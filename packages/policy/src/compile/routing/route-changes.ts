import type { PolicyIndex } from '../indexes/policy-index.ts';

/** Changes after which routes and tunnels are computed again. */
export interface RouteChanges {
  /** Whether the settings of the tenant changed. */
  readonly settings: boolean;
  /** Changed policies that apply to every device, or did before. */
  readonly universal: ReadonlySet<string>;
  /** Policies that may now lead through other gateways or to other resources. */
  readonly steering: ReadonlySet<string>;
  /** Gateways that entered or left service. */
  readonly service: ReadonlySet<string>;
  /** Gateways about which their peers are told something else. */
  readonly peers: ReadonlySet<string>;
  /** Agents about which gateways that have a tunnel to them are told something else. */
  readonly neighbours: ReadonlySet<string>;
}

/** Returns whether changes may move routes of every device. */
export function affectEveryDevice({ settings, universal, steering }: RouteChanges, policies: PolicyIndex): boolean {
  return settings || universal.size > 0 || !steering.isDisjointFrom(policies.universal);
}
