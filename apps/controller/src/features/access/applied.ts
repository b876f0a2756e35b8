import { bundleAt, type StateItem } from '@sallyport/contract/channel';
import { parseAddress, parseRange, rangeContains } from '@sallyport/ip';
import type { DestinationProtocol } from '@sallyport/policy';

/** A packet of a device, as its gateway sees it. */
export interface Packet {
  readonly device: string;
  /** IP address. */
  readonly destination: string;
  readonly protocol: DestinationProtocol;
  /** Ignored for icmp and other. */
  readonly port: number;
}

/**
 * Returns the policy that admits a packet when these items are in force, or null. Items that have expired at `now`,
 * epoch milliseconds, or that name missing items admit nothing.
 */
export function admittedBy(items: readonly StateItem[], packet: Packet, now: number): string | null {
  const device = items.find((item) => item.kind === 'device' && item.id === packet.device);
  if (device?.kind !== 'device' || isOver(device, now)) return null;
  const profile = items.find((item) => item.kind === 'profile' && item.id === device.profile);
  const destination = classOf(items, packet.destination);
  if (profile?.kind !== 'profile' || destination === null) return null;
  const cell = profile.cells.find((cell) => cell.class === destination);
  const open = cell === undefined ? null : bundleAt(cell, now);
  const bundle = items.find((item) => item.kind === 'bundle' && item.id === open);
  if (bundle?.kind !== 'bundle') return null;
  const portless = packet.protocol === 'icmp' || packet.protocol === 'other';
  const fits = ({ protocol, from, to }: (typeof bundle.grants)[number]) =>
    protocol === packet.protocol && (portless || (from <= packet.port && packet.port <= to));
  return bundle.grants.find(fits)?.policy ?? null;
}

const isOver = ({ expiresAt }: { readonly expiresAt: number | null }, now: number): boolean =>
  expiresAt !== null && expiresAt <= now;

/** Returns the class of an address. Classes are disjoint. */
function classOf(items: readonly StateItem[], text: string): string | null {
  const address = parseAddress(text);
  if (address === null) return null;
  for (const item of items)
    if (item.kind === 'class' && item.ranges.some((range) => contains(range, address))) return item.id;
  return null;
}

function contains(text: string, { family, value }: NonNullable<ReturnType<typeof parseAddress>>): boolean {
  const range = parseRange(text);
  return range !== null && rangeContains(range, family, value);
}
