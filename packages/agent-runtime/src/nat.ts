import { networkInterfaces } from 'node:os';
import type { Mapping, StateItem } from '@sallyport/contract/channel';
import type { Nat } from '@sallyport/contract/local';

/** What an agent was told of its NAT on this connection, and for how long the connection has been up. */
export interface Sighting {
  readonly mapping: Mapping;
  readonly liveMs: number;
}

/** Returns the kind of NAT in front of this host. `sighting` null: the agent is not connected. */
export function natOf(
  sighting: Sighting | null,
  items: ReadonlyMap<string, StateItem>,
  own: ReadonlySet<string> = ownAddresses(),
): Nat {
  if (sighting === null) return { kind: 'unknown', endpoint: null };
  const { mapping } = sighting;
  if (mapping.kind === 'dependent') return { kind: 'dependent', endpoint: null };
  if (mapping.kind === 'undecided') return { kind: isUnheard(sighting, items) ? 'blocked' : 'unknown', endpoint: null };
  const host = mapping.endpoint.slice(0, mapping.endpoint.lastIndexOf(':')).replace(/^\[|\]$/g, '');
  return { kind: own.has(host) ? 'none' : 'independent', endpoint: mapping.endpoint };
}

/** Whether a beacon should have heard this host by now. */
export function isUnheard({ mapping, liveMs }: Sighting, items: ReadonlyMap<string, StateItem>): boolean {
  if (mapping.kind !== 'undecided' || liveMs < heardByMs) return false;
  return [...items.values()].some((item) => item.kind === 'beacon' && item.endpoint !== null);
}

/** Four attempts of WireGuard at a handshake, five seconds apart, and two heartbeats to hear of one. */
const heardByMs = 40_000;

function ownAddresses(): Set<string> {
  const all = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  return new Set(all.filter(({ internal }) => !internal).map(({ address }) => address));
}
