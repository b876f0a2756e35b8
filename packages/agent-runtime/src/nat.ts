import { networkInterfaces } from 'node:os';
import type { Mapping, StateItem } from '@sallyport/contract/channel';
import type { Nat } from '@sallyport/contract/local';

/** NAT report of the controller on this connection, and the age of the connection. */
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

/** Returns whether a beacon should have received a handshake of this host. */
export function isUnheard({ mapping, liveMs }: Sighting, items: ReadonlyMap<string, StateItem>): boolean {
  if (mapping.kind !== 'undecided' || liveMs < heardByMs) return false;
  return [...items.values()].some((item) => item.kind === 'beacon' && item.endpoint !== null);
}

/** Time for four handshake attempts of WireGuard, five seconds apart, and two heartbeats for the report. */
const heardByMs = 40_000;

function ownAddresses(): Set<string> {
  const all = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  return new Set(all.filter(({ internal }) => !internal).map(({ address }) => address));
}
