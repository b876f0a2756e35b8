import { parseAddress, rangeContains } from '@sallyport/contract';
import { prefixRange, reservedRanges } from './addresses.ts';
import { admission, isEnforced, matchesResource, matchesSource } from './rules.ts';
import type { AccessQuery, Decision, PolicyStep, WorldDevice, WorldPolicy, WorldResource } from './types.ts';
import type { World } from './world.ts';

/**
 * Reference semantics of access: who wants to know why, asks here; the compiler is tested against it. Policies of type
 * PRIVATE are walked first, then SAAS, each top-down; the first one that matches source and destination decides.
 * `gateways` of an allowed decision are those through which the deciding policy admits, MAINTENANCE last.
 */
export function evaluate(world: World, query: AccessQuery): Decision {
  const device = world.devices.get(query.device);
  const obstacle = obstacleBeforePolicies(world, query, device);
  if (obstacle !== null || device === undefined) return denied(null, obstacle ?? 'unknown device', []);

  const targets = [...world.resources.values()].filter((resource) => covers(resource, query));
  const steps: PolicyStep[] = [];
  for (const policy of (['PRIVATE', 'SAAS', 'INTERNET', 'SITETOSITE'] as const).flatMap((t) => world.policiesOf(t))) {
    const verdict = judge(world, query, policy, device, targets);
    steps.push({ policy: policy.id, outcome: verdict.outcome, reason: verdict.reason });
    if (verdict.outcome === 'denied') return denied(policy.id, 'a policy denies it', steps);
    if (verdict.outcome === 'allowed') {
      const { resources, gateways } = verdict;
      const { validUntil } = admission(policy);
      return { allowed: true, policy: policy.id, resources, gateways, validUntil, steps };
    }
  }
  const reason = targets.length === 0 ? 'no resource covers this destination' : 'no policy allows it';
  return denied(null, reason, steps);
}

type Verdict =
  | { readonly outcome: 'denied' | 'skipped' | 'no-match'; readonly reason: string }
  | {
      readonly outcome: 'allowed';
      readonly reason: string;
      readonly resources: readonly string[];
      readonly gateways: readonly string[];
    };

function obstacleBeforePolicies(world: World, query: AccessQuery, device: WorldDevice | undefined): string | null {
  if (device === undefined) return 'unknown device';
  if (!device.active) return 'the device is deactivated';
  const destination = parseAddress(query.destination);
  if (destination === null) return 'the destination is not an IP address';
  const { family, value } = destination;
  const reserved = reservedRanges(world.settings).find((range) => rangeContains(range, family, value));
  if (reserved !== undefined) return `the destination belongs to ${reserved.name}, where no resource can be`;
  if (query.gateway === undefined) return null;
  const gateway = world.gateways.get(query.gateway);
  if (gateway === undefined) return 'unknown gateway';
  return gateway.intent === 'OFFLINE' ? 'the gateway is set to OFFLINE' : null;
}

function judge(
  world: World,
  query: AccessQuery,
  policy: WorldPolicy,
  device: WorldDevice,
  targets: readonly WorldResource[],
): Verdict {
  if (!isEnforced(policy.type)) return { outcome: 'skipped', reason: notEnforced(policy) };
  if (!matchesSource(policy, device)) return { outcome: 'no-match', reason: 'the device is none of its sources' };
  const matched = targets.filter((resource) => matchesResource(policy, resource));
  if (matched.length === 0)
    return { outcome: 'no-match', reason: 'none of its resources covers this destination, protocol and port' };
  if (!policy.allow) return { outcome: 'denied', reason: 'it denies this device the destination' };
  if (!admission(policy).met) return { outcome: 'skipped', reason: 'its admission rule is not met' };

  const reachable = matched.filter((resource) => carriers(world, query, resource).length > 0);
  if (reachable.length === 0) {
    const reason =
      query.gateway === undefined
        ? 'no gateway in service carries its resources'
        : 'its resources are not attached to this gateway';
    return { outcome: 'no-match', reason };
  }
  const gateways = [...new Set(reachable.flatMap((resource) => carriers(world, query, resource)))];
  const drained = (id: string) => Number(world.gateways.get(id)?.intent === 'MAINTENANCE');
  gateways.sort((a, b) => drained(a) - drained(b));
  const resources = reachable.map((resource) => resource.id);
  return { outcome: 'allowed', reason: 'it allows this device the destination', resources, gateways };
}

/** Attached gateways through which a query may pass. */
function carriers(world: World, query: AccessQuery, resource: WorldResource): string[] {
  return resource.gateways.filter((id) => {
    const gateway = world.gateways.get(id);
    if (gateway === undefined || gateway.intent === 'OFFLINE') return false;
    return query.gateway === undefined || query.gateway === id;
  });
}

function covers(resource: WorldResource, query: AccessQuery): boolean {
  const destination = parseAddress(query.destination);
  if (destination === null || !isEnforced(resource.type)) return false;
  const portless = query.protocol === 'icmp' || query.protocol === 'other';
  return resource.addresses.some(
    (address) =>
      rangeContains(prefixRange(address.prefix), destination.family, destination.value) &&
      address.ports.some(
        ({ protocol, from, to }) =>
          protocol === query.protocol && (portless || (from <= query.port && query.port <= to)),
      ),
  );
}

function notEnforced(policy: WorldPolicy): string {
  const kind = policy.type === 'INTERNET' ? 'internet' : 'site-to-site';
  return `${kind} policies admit no packets in this version`;
}

function denied(policy: string | null, reason: string, steps: readonly PolicyStep[]): Decision {
  return { allowed: false, policy, reason, validUntil: null, steps };
}
