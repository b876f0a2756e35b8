import { routeOf } from '../host/monitor.ts';
import { overlap } from '../host/overlap.ts';
import type { ClientHostState } from '../types.ts';

/**
 * Returns whether a line of `ip monitor` can concern something that `planClientUp` reads. That is the tunnel
 * interface, its routing table, any policy rule, or a main route that conflicts with a wanted one.
 */
export function concernsClient(state: ClientHostState, line: string): boolean {
  if (line.startsWith('[RULE]')) return true;
  const words = line.split(/[\s:\\]+/);
  if (words.some((word) => word.replace(/@.*$/, '') === state.interface)) return true;
  if (!line.startsWith('[ROUTE]')) return false;
  const table = words[words.indexOf('table') + 1];
  if (words.includes('table') && table !== 'main') return table === String(state.table);
  const route = routeOf(line);
  if (route === null || state.prefixes.length === 0) return false;
  const wanted = [state.overlay.v4, state.overlay.v6, ...state.prefixes];
  return wanted.some((prefix) => overlap(prefix, route) !== 'apart');
}
