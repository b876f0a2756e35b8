import { formatNetwork, parsePrefix, prefixRange } from '../ip.ts';
import type { ForeignRoute } from './found.ts';

/** The relation of a prefix to a foreign route. `over` contains the route, `under` lies within the route. */
export type Overlap = 'apart' | 'same' | 'over' | 'under';

/** Compares a prefix with a foreign route. */
export function overlap(prefix: string, route: string): Overlap {
  const a = prefixRange(parsePrefix(prefix));
  const b = prefixRange(parsePrefix(route));
  if (a.family !== b.family || a.last < b.first || b.last < a.first) return 'apart';
  if (a.first === b.first && a.last === b.last) return 'same';
  return a.first <= b.first && b.last <= a.last ? 'over' : 'under';
}

/** The prefixes that may be routed into the tunnel, and the parts that the host's own network keeps. */
export interface RouteChoice {
  /** Canonical prefixes, each once. */
  readonly wanted: readonly string[];
  /** Routes of the host within those prefixes, which keep their traffic. Canonical, each once. */
  readonly thrown: readonly string[];
  /** One sentence for each conflict. */
  readonly conflicts: readonly string[];
}

/** A gateway serves its own network. If a prefix is already connected or routed, the host's own route wins. */
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

/** Returns the canonical spellings, each once, in the given order. */
export function canonical(prefixes: readonly string[]): string[] {
  return [...new Set(prefixes.map((text) => formatNetwork(parsePrefix(text))))];
}
