import { type IpRange, rangeToPrefixes, withoutRanges } from '@sallyport/ip';
import { prefixRange } from '../../addresses.ts';
import { isAccessPoint, isWholeInternet } from '../../matching.ts';
import { canonicalPorts, everyPort, uncovered } from '../../ports.ts';
import type { WorldPolicy } from '../../types.ts';
import type { World } from '../../world.ts';
import type { PolicyMatch } from '../audience/matches.ts';
import type { PolicyIndex } from '../indexes/policy-index.ts';

/** How a device reaches the public internet through the tunnel. */
export interface FullTunnel {
  readonly policy: string;
  /** Gateways in order; null: the internet is closed, so any gateway of the device takes the routes. */
  readonly gateways: readonly string[] | null;
  /**
   * Default routes, without the addresses that earlier policies leave, on every port, to the device's own connection.
   */
  readonly prefixes: readonly string[];
  /** Epoch milliseconds until which this is certain; null: time alone does not change it. */
  readonly until: number | null;
}

/** Returns the full tunnel of a device by its matches; null: it uses its own connection. */
export function fullTunnel(world: World, policies: PolicyIndex, matches: readonly PolicyMatch[]): FullTunnel | null {
  const met = new Map(matches.filter((match) => match.met).map(({ policy, until }) => [policy, until]));
  const local: IpRange[] = [];
  const kept: IpRange[] = [];
  for (const policy of policies.internetInOrder()) {
    const { id, gateways, mode, allow } = policy;
    if (!met.has(id) && !policies.universal.has(id)) continue;
    const closes = mode === 'RESTRICTED' || !allow;
    if (isWholeInternet(policy)) {
      if (!closes && !isAccessPoint(policy)) return null;
      const prefixes = defaultRoutes(local);
      return { policy: id, gateways: closes ? null : gateways, prefixes, until: met.get(id) ?? null };
    }
    const leaves = !closes && !isAccessPoint(policy);
    for (const { range, whole } of internetRanges(world, policy))
      if (!leaves) kept.push(range);
      else if (whole) local.push(...withoutRanges(range, kept));
  }
  return null;
}

/** Returns the ranges of the resources that an internet policy names, and whether they have every port. */
function* internetRanges(world: World, policy: WorldPolicy): Generator<{ range: IpRange; whole: boolean }> {
  for (const id of policy.resources) {
    const resource = world.resources.get(id);
    if (resource?.type !== 'INTERNET') continue;
    for (const { prefix, ports } of resource.addresses)
      yield { range: prefixRange(prefix), whole: !uncovered(everyPort, canonicalPorts(ports)) };
  }
}

function defaultRoutes(local: readonly IpRange[]): string[] {
  return ['0.0.0.0/0', '::/0'].flatMap((text) => withoutRanges(prefixRange(text), local)).flatMap(rangeToPrefixes);
}
