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

/**
 * Returns whether a line of `ip monitor` reports a change of anything that a full read of the host finds, whatever the
 * wanted prefixes are.
 */
export function touchesFound({ table }: ClientHostState, line: string): boolean {
  if (line.startsWith('[NETCONF]')) return false;
  if (!line.startsWith('[ROUTE]')) return true;
  const words = line.split(/\s+/);
  const at = words.indexOf('table');
  return at < 0 || words[at + 1] === 'main' || words[at + 1] === String(table);
}
