import { parseAddress, parsePrefix, rangeContains } from '@sallyport/ip';
import { entryOf, isUsable } from '../compile/indexes/facts.ts';
import { evaluate } from '../evaluate.ts';
import { isAttachable } from '../matching.ts';
import { admitsPort } from '../question.ts';
import type { WorldPolicy, WorldResource } from '../types.ts';
import { compareWithinType, type World } from '../world.ts';
import type { Packet } from './arbitrary.ts';

/**
 * Returns the policy by which a gateway has to admit a packet, or null. An entry gateway also admits what other
 * gateways admit, if it can pass the packet on to them, for resources with a narrower prefix than those that it carries
 * itself.
 */
export function admittedBy(world: World, packet: Packet, gateway: string, at: number): string | null {
  const own = policyAt(world, packet, gateway, at);
  const device = packet.device === undefined ? undefined : world.devices.get(packet.device);
  if (device === undefined || entryOf(world, device) !== gateway) return own;
  const length = ownLength(world, packet, gateway);
  const others = [...world.gateways.values()].filter((other) => other.id !== gateway && isUsable(other));
  const passed = others.flatMap(({ id }) => passedOn(world, packet, { from: gateway, to: id, length }, at) ?? []);
  const all = [...passed, world.policies.get(own ?? '')].filter((policy) => policy !== undefined);
  return all.sort((a, b) => rank(a) - rank(b) || compareWithinType(a, b))[0]?.id ?? null;
}

/** Returns the first policy by which another gateway admits the packet for a resource with a longer prefix. */
function passedOn(
  world: World,
  packet: Packet,
  way: { from: string; to: string; length: number },
  at: number,
): WorldPolicy | null {
  const decision = evaluate(world, { ...packet, gateway: way.to, at });
  const policy = decision.allowed ? world.policies.get(decision.policy) : undefined;
  if (!decision.allowed || policy === undefined) return null;
  const narrow = decision.resources.some((id) => {
    const { type = 'INTERNET', gateways = [] } = world.resources.get(id) ?? {};
    if (!isAttachable(type) || !gateways.includes(way.to) || gateways.includes(way.from)) return false;
    return longest(world, packet, ({ id: other }) => other === id, packet) > way.length;
  });
  if (narrow) return policy;
  return passedOn(world.with([{ kind: 'policy', id: policy.id, value: null }]), packet, way, at);
}

function policyAt(world: World, packet: Packet, gateway: string, at: number): string | null {
  const decision = evaluate(world, { ...packet, gateway, at });
  return decision.allowed ? decision.policy : null;
}

/** Returns the length of the narrowest prefix with which a gateway carries a destination, on any port; else -1. */
function ownLength(world: World, packet: Packet, gateway: string): number {
  return longest(world, packet, ({ type, gateways }) => isAttachable(type) && gateways.includes(gateway), null);
}

function longest(
  world: World,
  { destination }: Packet,
  counts: (resource: WorldResource) => boolean,
  ports: Packet | null,
): number {
  const { family, value } = parseAddress(destination) ?? { family: 4, value: 0n };
  const lengths = [...world.resources.values()]
    .filter(counts)
    .flatMap(({ addresses }) => addresses)
    .filter((address) => ports === null || admitsPort(address.ports, { ...ports, at: 0 }))
    .flatMap(({ prefix }) => parsePrefix(prefix) ?? [])
    .filter((range) => rangeContains(range, family, value))
    .map(({ length }) => length);
  return Math.max(-1, ...lengths);
}

function rank({ type }: WorldPolicy): number {
  return ['PRIVATE', 'SAAS', 'INTERNET', 'SITETOSITE'].indexOf(type);
}
