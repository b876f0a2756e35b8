import { formatNetwork, parsePrefix } from '../ip.ts';
import type { HostState } from '../types.ts';
import { overlap } from './overlap.ts';
import { wayTables } from './ways.ts';

/** Arguments of `ip` that make it print every change, one a line, each with a label in front. */
export const MONITOR_ARGUMENTS = ['-o', 'monitor', 'label', 'link', 'address', 'route', 'rule', 'netconf'] as const;

/**
 * Whether a line of `ip monitor` can be about something that `planUp` looks at: the tunnel interface, a route in the
 * overlay or around it, or in the way of one that is wanted, forwarding and reverse path filters of any interface, or any policy rule,
 * since others can come to stand before ours.
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

/** The prefix that a line about a route speaks of; null for default routes and other lines. */
export function routeOf(line: string): string | null {
  const found = /^\[ROUTE\](?:Deleted )?(?:[a-z]+ )??([0-9a-f.:]+)(?:\/(\d+))?\s/.exec(line);
  if (!found) return null;
  const [, address = '', length = address.includes(':') ? '128' : '32'] = found;
  return `${address}/${length}`;
}
