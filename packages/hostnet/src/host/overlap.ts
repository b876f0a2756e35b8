import { formatNetwork, parsePrefix, prefixRange } from '../ip.ts';
import type { ForeignRoute } from './found.ts';

/** How a prefix stands to a foreign route. `over` holds the route within it, `under` lies within the route. */
export type Overlap = 'apart' | 'same' | 'over' | 'under';

/** Compares a prefix with a foreign route. */
export function overlap(prefix: string, route: string): Overlap {
  const a = prefixRange(parsePrefix(prefix));
  const b = prefixRange(parsePrefix(route));
  if (a.family !== b.family || a.last < b.first || b.last < a.first) return 'apart';
  if (a.first === b.first && a.last === b.last) return 'same';
  return a.first <= b.first && b.last <= a.last ? 'over' : 'under';
}

/** What may be routed into the tunnel, and what of it the host's own network keeps to itself. */
export interface RouteChoice {
  /** Canonical, each once. */
  readonly wanted: readonly string[];
  /** Routes of the host within those, which keep what they have. Canonical, each once. */
  readonly thrown: readonly string[];
  /** One sentence each. */
  readonly conflicts: readonly string[];
}

/** A gateway serves its own network: of prefixes that are connected or routed already, the host's own routes win. */
export function chooseGatewayRoutes(prefixes: readonly string[], foreign: readonly ForeignRoute[]): RouteChoice {
  const conflicts: string[] = [];
  const thrown = new Set<string>();
  const wanted = canonical(prefixes).filter((prefix) => {
    const lost = foreign.find((route) => {
      const how = overlap(prefix, route.destination);
      return how === 'same' || (how === 'under' && route.connected);
    });
    if (lost) {
      conflicts.push(`${prefix} is not routed into the tunnel: the host has ${lost.destination} on ${lost.device}`);
      return false;
    }
    for (const route of foreign) {
      if (overlap(prefix, route.destination) !== 'over') continue;
      thrown.add(route.destination);
      conflicts.push(
        `${route.destination} of ${prefix} does not go into the tunnel: the host has it on ${route.device}`,
      );
    }
    return true;
  });
  return { wanted, thrown: [...thrown].filter((route) => !wanted.includes(route)), conflicts };
}

/** Canonical spelling, each once, in the order given. */
export function canonical(prefixes: readonly string[]): string[] {
  return [...new Set(prefixes.map((text) => formatNetwork(parsePrefix(text))))];
}
