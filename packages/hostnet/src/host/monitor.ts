import { formatNetwork, parsePrefix } from '../ip.ts';
import type { HostState } from '../types.ts';
import { overlap } from './overlap.ts';
import { wayTables } from './ways.ts';

/** Arguments that make `ip` print every change on its own line, with a label in front. */
export const MONITOR_ARGUMENTS = ['-o', 'monitor', 'label', 'link', 'address', 'route', 'rule', 'netconf'] as const;

/**
 * Returns whether a line of `ip monitor` can concern something that `planUp` reads. That is the tunnel interface, a
 * route within or around the overlay, or a route that conflicts with a wanted one. It is also forwarding and reverse
 * path filters of any interface. Any policy rule counts too, since a foreign rule can come before ours.
 */
export function concernsHost(state: HostState, line: string): boolean {
  if (line.startsWith('[RULE]') || line.startsWith('[NETCONF]')) return true;
  const words = line.split(/[\s:\\]+/);
  if (words.some((word) => word.replace(/@.*$/, '') === state.interface)) return true;
  const { away, onward } = wayTables(state.interface);
  if (words.some((word) => word === String(away) || word === String(onward))) return true;
  const overlay = [state.overlay.v4, state.overlay.v6].map((text) => formatNetwork(parsePrefix(text)));
  const route = routeOf(line);
  if (route === null) return false;
  return [...overlay, ...state.routes].some((prefix) => overlap(prefix, route) !== 'apart');
}

/** Returns the prefix that a line about a route names, or null for default routes and other lines. */
export function routeOf(line: string): string | null {
  const found = /^\[ROUTE\](?:Deleted )?(?:[a-z]+ )??([0-9a-f.:]+)(?:\/(\d+))?\s/.exec(line);
  if (!found) return null;
  const [, address = '', length = address.includes(':') ? '128' : '32'] = found;
  return `${address}/${length}`;
}
