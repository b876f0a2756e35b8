import type { PathsView } from '@sallyport/agent-core';
import { canonicalPrefix } from '@sallyport/ip';

/** A gateway is not asked first when it is this much slower than the fastest. The same rule chooses within a route. */
const tooSlow = (rttMs: number, best: number): boolean => rttMs > 2 * best + 20;

/**
 * Returns the gateways that carry some routes now, best first, each once. Gateways with a fault come last. Otherwise the
 * order of the prefixes counts, except that a much slower gateway of a resource in mode AUTOMATIC gives way.
 */
export function carriersInOrder(prefixes: readonly string[], { routes, paths }: PathsView): string[] {
  const byPrefix = new Map(routes.map((route) => [canonicalPrefix(route.prefix), route]));
  const rtts = new Map(paths.map(({ peer, rttMs }) => [peer, rttMs ?? Infinity]));
  const found = new Map<string, { fault: boolean; automatic: boolean; rttMs: number }>();
  for (const prefix of prefixes) {
    const route = byPrefix.get(canonicalPrefix(prefix));
    const carrier = route?.carrier ?? null;
    if (route === undefined || carrier === null || found.has(carrier)) continue;
    const fault = (route.gateways.find(({ gateway }) => gateway === carrier)?.against ?? null) !== null;
    found.set(carrier, { fault, automatic: route.mode === 'AUTOMATIC', rttMs: rtts.get(carrier) ?? Infinity });
  }
  const fit = [...found.values()].filter(({ fault }) => !fault);
  const best = Math.min(...fit.map(({ rttMs }) => rttMs));
  const rank = ({ fault, automatic, rttMs }: { fault: boolean; automatic: boolean; rttMs: number }) =>
    fault ? 2 : automatic && tooSlow(rttMs, best) ? 1 : 0;
  return [...found].sort(([, a], [, b]) => rank(a) - rank(b)).map(([id]) => id);
}
