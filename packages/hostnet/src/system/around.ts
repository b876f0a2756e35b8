import { readFile } from 'node:fs/promises';
import type { ForeignRoute } from '../host/found.ts';
import { formatAddress, parseAddress } from '../ip.ts';
import type { HostState } from '../types.ts';
import { ipJson } from './host-io.ts';
import { readRoutesAround } from './ip-json.ts';

/**
 * Reads foreign routes of all tables that overlap with the overlay. A table may be large, so `ip` selects the relevant
 * ones.
 */
export async function readAround(state: HostState, ipv6: boolean): Promise<ForeignRoute[]> {
  const list = async (family: 4 | 6, how: 'root' | 'match'): Promise<ForeignRoute[]> => {
    const prefix = state.overlay[`v${family}`];
    const answer = await ipJson(`-${family}`, '-j', 'route', 'show', 'table', 'all', how, prefix);
    return readRoutesAround(answer, state.interface, family);
  };
  const families = ipv6 ? ([4, 6] as const) : ([4] as const);
  return (await Promise.all(families.flatMap((family) => [list(family, 'root'), list(family, 'match')]))).flat();
}

/** Files that list resolvers. The second lists the upstream resolvers of systemd-resolved. */
const RESOLVER_FILES = ['/etc/resolv.conf', '/run/systemd/resolve/resolv.conf'];

/** Reads the addresses of the host's resolvers. */
export async function readResolvers(): Promise<string[]> {
  const texts = await Promise.all(RESOLVER_FILES.map((file) => readFile(file, 'utf8').catch(() => '')));
  const named = texts.flatMap((text) => [...text.matchAll(/^nameserver[ \t]+([0-9a-fA-F.:]+)[ \t]*$/gm)]);
  const addresses = named.flatMap(([, address = '']) => {
    try {
      return [formatAddress(parseAddress(address))];
    } catch {
      return [];
    }
  });
  return [...new Set(addresses)];
}
