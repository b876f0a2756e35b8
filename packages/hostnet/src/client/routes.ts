import type { ForeignRoute } from '../host/found.ts';
import { canonical, overlap } from '../host/overlap.ts';
import { parsePrefix } from '../ip.ts';
import type { ClientHostState } from '../types.ts';

/** What the tunnel's own routing table says. */
export interface ClientRoutes {
  /** Into the tunnel. */
  readonly inside: readonly string[];
  /** Left to the main table, although they lie within what goes into the tunnel. */
  readonly thrown: readonly string[];
  /** One sentence for each prefix that the host's own network has too, or a part of it. */
  readonly conflicts: readonly string[];
}

/**
 * The longest prefix should win, whichever table it is in; but our table is asked first. So routes of the main table that are
 * more specific than ours are thrown back to it. Not so for default routes: the rules see to it that everything else of the
 * main table comes before them. A network that the host is connected to stays outside if just this prefix is wanted inside;
 * what is wanted of it more specifically goes inside.
 */
export function planClientRoutes(state: ClientHostState, foreign: readonly ForeignRoute[]): ClientRoutes {
  if (state.prefixes.length === 0) return { inside: [], thrown: [], conflicts: [] };
  const wanted = canonical([state.overlay.v4, state.overlay.v6, ...state.prefixes]);
  const connected = foreign.filter((route) => route.connected);
  const lost = connected.filter(({ destination }) => wanted.includes(destination));
  const inside = wanted.filter((prefix) => lost.every(({ destination }) => destination !== prefix));
  const conflicts = lost.map((route) => `${route.destination} does not go into the tunnel: it is on ${route.device}`);
  const thrown = new Set<string>();
  for (const { destination, device } of foreign) {
    const around = wanted.find((prefix) => !isDefault(prefix) && overlap(prefix, destination) === 'over');
    if (around === undefined || inside.includes(destination) || thrown.has(destination)) continue;
    thrown.add(destination);
    if (wanted.includes(destination)) continue;
    conflicts.push(`${destination} of ${around} does not go into the tunnel: the host has it on ${device}`);
  }
  for (const prefix of inside) {
    const network = connected.find(({ destination }) => overlap(prefix, destination) === 'under');
    if (network) conflicts.push(`${prefix} goes into the tunnel, not to ${network.destination} on ${network.device}`);
  }
  return { inside, thrown: [...thrown], conflicts };
}

/** Whether everything of the family goes into the tunnel. */
export function isFull(state: ClientHostState, family: 4 | 6): boolean {
  return canonical(state.prefixes).some((prefix) => isDefault(prefix) && parsePrefix(prefix).family === family);
}

export function isDefault(prefix: string): boolean {
  return prefix === '0.0.0.0/0' || prefix === '::/0';
}
