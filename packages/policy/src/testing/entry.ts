import { parseAddress, parsePrefix, rangeContains } from '@sallyport/contract';
import { entryOf, isUsable } from '../compile/facts.ts';
import { evaluate } from '../evaluate.ts';
import { isAttachable } from '../matching.ts';
import type { WorldPolicy } from '../types.ts';
import { compareWithinType, type World } from '../world.ts';
import type { Packet } from './arbitrary.ts';

/**
 * Policy by which a gateway is to let a packet through, or null. Where the device comes in through it, it lets through what
 * any other gateway does to which it can pass the packet on: whatever it does not carry itself by as narrow a prefix.
 */
export function admittedBy(world: World, packet: Packet, gateway: string, at: number): string | null {
  const own = policyAt(world, packet, gateway, at);
  const device = packet.device === undefined ? undefined : world.devices.get(packet.device);
  if (device === undefined || entryOf(world, device) !== gateway) return own;
  if (narrowest(world, packet, gateway, true) >= narrowest(world, packet, gateway, false)) return own;
  const others = [...world.gateways.values()].filter((other) => other.id !== gateway && isUsable(other));
  const passed = others
    .flatMap(({ id }) => world.policies.get(policyAt(world, packet, id, at) ?? '') ?? [])
    .filter(({ type }) => type !== 'INTERNET');
  const all = [...(world.policies.has(own ?? '') ? [world.policies.get(own ?? '') as WorldPolicy] : []), ...passed];
  return all.sort((a, b) => rank(a) - rank(b) || compareWithinType(a, b))[0]?.id ?? null;
}

function policyAt(world: World, packet: Packet, gateway: string, at: number): string | null {
  const decision = evaluate(world, { ...packet, gateway, at });
  return decision.allowed ? decision.policy : null;
}

/** Length of the narrowest prefix around a destination, of what a gateway carries, or of what only others do; else -1. */
function narrowest(world: World, { destination }: Packet, gateway: string, own: boolean): number {
  const { family, value } = parseAddress(destination) ?? { family: 4, value: 0n };
  const lengths = [...world.resources.values()]
    .filter(({ type, gateways }) => {
      if (!isAttachable(type) || gateways.includes(gateway) !== own) return false;
      return own || gateways.some((id) => isUsable(world.gateways.get(id)));
    })
    .flatMap(({ addresses }) => addresses)
    .flatMap(({ prefix }) => parsePrefix(prefix) ?? [])
    .filter((range) => rangeContains(range, family, value))
    .map(({ length }) => length);
  return Math.max(-1, ...lengths);
}

function rank({ type }: WorldPolicy): number {
  return ['PRIVATE', 'SAAS', 'INTERNET', 'SITETOSITE'].indexOf(type);
}
