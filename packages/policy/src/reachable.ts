import { formatPrefix } from '@sallyport/ip';
import { evaluateAhead } from './ahead.ts';
import type { Cell } from './compile/gateway/cells.ts';
import { computed } from './compile/indexes/maps.ts';
import { Reach } from './compile/reach.ts';
import { matchesResource } from './matching.ts';
import { earliest } from './moments.ts';
import { canonicalPorts, type Grant, sharedPorts } from './ports.ts';
import type { PortRange } from './types.ts';
import type { World } from './world.ts';

/** What one device reaches of one private or SaaS resource. */
export interface ReachableResource {
  readonly device: string;
  readonly resource: string;
  /** Addresses of which at least a part is open, in text order. */
  readonly addresses: readonly ReachableAddress[];
  /** First moment at which one of the policies may no longer open it; null: time alone changes nothing. */
  readonly validUntil: number | null;
}

/** An address of a resource, and its ports that are open. */
export interface ReachableAddress {
  /** Canonical IP address or prefix, or host name. */
  readonly prefix: string;
  readonly ports: readonly PortRange[];
}

/**
 * Yields what devices reach at a moment, in the given order of devices. Yields null in between, so that the caller can
 * pause. Unknown and inactive devices reach nothing.
 */
export function* reachableSteps(
  world: World,
  at: number,
  devices: readonly string[],
): Generator<ReachableResource | null> {
  const known = devices.flatMap((id) => world.devices.get(id) ?? []);
  yield* evaluateAhead(world, at, known);
  const reach = new Reach(world, at);
  for (const device of known) {
    const matches = reach.matches(device);
    if (matches === null) continue;
    const found: Found = new Map();
    for (const gateway of reach.gatewaysOf(matches))
      for (const cell of reach.gateway(gateway).cells(matches)) {
        note(found, { world, reach, gateway }, cell);
        yield null;
      }
    const untils = new Map(matches.map(({ policy, until }) => [policy, until]));
    for (const [resource, { ports, policies }] of found)
      yield { device: device.id, resource, addresses: addressesOf(ports), validUntil: firstOf(policies, untils) };
  }
}

/** By resource: the open ports by prefix, and the policies that open them. */
type Found = Map<string, Opened>;

interface Opened {
  readonly ports: Map<string, PortRange[]>;
  readonly policies: Set<string>;
}

const nothing = (): Opened => ({ ports: new Map(), policies: new Set() });

function note(found: Found, { world, reach, gateway }: Place, cell: Cell): void {
  const here = reach.gateway(gateway);
  const grants = new Map([...here.opened(cell).keys()].map((id) => [id, grantsOf(world, here.grants(cell), id)]));
  if (grants.size === 0) return;
  for (const range of here.destinations.classes.get(cell.class)?.ranges ?? [])
    for (const { resource, range: prefix, address, ports } of reach.resources.overlapping(range)) {
      const own = resource.gateways.includes(gateway) ? (grants.get(resource.id) ?? []) : [];
      const open = sharedPorts(ports, own);
      if (open.length === 0) continue;
      const { ports: byPrefix, policies } = computed(found, resource.id, nothing);
      for (const { policy } of own) policies.add(policy);
      computed(byPrefix, address.wildcard ?? address.name ?? formatPrefix(prefix), () => []).push(...open);
    }
}

interface Place {
  readonly world: World;
  readonly reach: Reach;
  readonly gateway: string;
}

/** Another resource can have the same addresses. The owner of a device learns only of those that a policy names. */
function grantsOf(world: World, grants: readonly Grant[], id: string): readonly Grant[] {
  const resource = world.resources.get(id);
  return grants.filter((grant) => {
    const policy = world.policies.get(grant.policy);
    return policy !== undefined && resource !== undefined && matchesResource(policy, resource);
  });
}

const addressesOf = (ports: ReadonlyMap<string, readonly PortRange[]>): ReachableAddress[] =>
  [...ports]
    .map(([prefix, open]) => ({ prefix, ports: canonicalPorts(open) }))
    .sort((a, b) => (a.prefix < b.prefix ? -1 : 1));

const firstOf = (policies: Iterable<string>, untils: ReadonlyMap<string, number | null>): number | null =>
  [...policies].reduce<number | null>((first, id) => earliest(first, untils.get(id) ?? null), null);
