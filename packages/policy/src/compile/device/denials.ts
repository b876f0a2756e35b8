import { withoutRanges } from '@sallyport/ip';
import { isAccessPoint, isAttachable, isWholeInternet, matchesResource } from '../../matching.ts';
import type { WorldPolicy, WorldResource } from '../../types.ts';
import type { PolicyMatch } from '../audience/matches.ts';
import { entriesOf } from '../indexes/entries.ts';
import { isNamed } from '../indexes/resource-index.ts';
import type { Routing } from '../routing/routing.ts';
import type { Tenant } from '../routing/tenant.ts';

/** A policy that applies to a device, but whose rule is not met. */
export interface Unmet {
  readonly policy: string;
  readonly reason: string;
}

/** A resource that a device is told about. */
export interface Refusal {
  readonly resource: WorldResource;
  /** Null: it may be reached. Else why not, in a sentence for people. */
  readonly denied: string | null;
}

/**
 * Returns the resources that policies would open to a device, and why some are refused. A resource that no allow names
 * for the device is left out: the device must not learn that it exists.
 */
export function refusals(
  matches: readonly PolicyMatch[],
  unmet: readonly Unmet[],
  routing: Routing,
  tenant: Tenant,
): readonly Refusal[] {
  const { policies } = tenant;
  const reasons = new Map(unmet.map(({ policy, reason }) => [policy, reason]));
  const met = matches.filter((match) => match.met).map(({ policy }) => policy);
  const walked = [...new Set([...met, ...reasons.keys(), ...policies.universal])]
    .sort(policies.compare)
    .flatMap((id) => policies.get(id) ?? []);
  const named = new Map<string, WorldResource>();
  for (const policy of walked) for (const resource of opens(policy, tenant)) named.set(resource.id, resource);
  return [...named.values()].flatMap((resource) => {
    const denied = obstacle(resource, walked, reasons, routing, tenant);
    return denied === undefined ? [] : [{ resource, denied }];
  });
}

/** Returns the resources that a policy opens by name through gateways. */
function opens(policy: WorldPolicy, { world }: Tenant): WorldResource[] {
  if (!policy.allow || (policy.type === 'INTERNET' && (!isAccessPoint(policy) || isWholeInternet(policy)))) return [];
  const named = policy.allResources
    ? world.resources.values().toArray()
    : policy.resources.flatMap((id) => world.resources.get(id) ?? []);
  return named.filter((resource) => matchesResource(policy, resource));
}

/** Returns why a resource cannot be reached, or null when it can; undefined: its traffic does not use gateways. */
function obstacle(
  resource: WorldResource,
  walked: readonly WorldPolicy[],
  reasons: ReadonlyMap<string, string>,
  routing: Routing,
  tenant: Tenant,
): string | null | undefined {
  if (routing.steered.has(resource.id)) return null;
  const taker = tenant.world.resources.get(routing.shadowed.get(resource.id) ?? '');
  if (taker !== undefined)
    return `Its addresses lead to ${taker.name} through other gateways, and each address has only one route.`;
  let closed: string | null = null;
  for (const policy of walked) {
    if (!matchesResource(policy, resource) && !(resource.type === 'INTERNET' && coversInternet(policy))) continue;
    const reason = reasons.get(policy.id);
    if (reason !== undefined) {
      closed ??= `Its admission rule is not met: ${reason}.`;
      continue;
    }
    if (policy.type === 'INTERNET') return closed ?? internetObstacle(resource, policy, tenant);
    return policy.allow ? (outOfService(resource, policy, tenant) ?? denies) : (closed ?? denies);
  }
  return closed ?? 'No policy allows it.';
}

const denies = 'A policy denies it.';

/** Does the same where a met internet policy decides. */
function internetObstacle(resource: WorldResource, policy: WorldPolicy, tenant: Tenant): string | null | undefined {
  if (!policy.allow || policy.mode === 'RESTRICTED') return denies;
  if (!isAccessPoint(policy)) return undefined;
  const missing = outOfService(resource, policy, tenant);
  return missing ?? (isWholeInternet(policy) ? null : 'Its addresses are not of the public internet.');
}

function coversInternet(policy: WorldPolicy): boolean {
  return policy.type === 'INTERNET' && isWholeInternet(policy);
}

/** Returns why no gateway can carry a resource that a policy opens; null: one can. */
function outOfService(resource: WorldResource, policy: WorldPolicy, { world, addressSpace }: Tenant): string | null {
  const ids = isAttachable(resource.type) ? resource.gateways : policy.gateways;
  const gateways = ids.flatMap((id) => world.gateways.get(id) ?? []);
  if (gateways.length === 0) return 'No gateway carries it.';
  const inService = gateways.filter(({ intent }) => intent !== 'OFFLINE');
  if (inService.length === 0) return 'Its gateways are set to OFFLINE.';
  if (inService.every(({ publicKey }) => publicKey === null)) return 'Its gateways are not deployed yet.';
  const reachable = entriesOf(resource).some(
    (entry) => isNamed(entry) || withoutRanges(entry.range, addressSpace.reserved).length > 0,
  );
  return reachable ? null : 'It has no address that can be reached.';
}
