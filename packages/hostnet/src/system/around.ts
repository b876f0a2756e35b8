import { readFile } from 'node:fs/promises';
import type { ForeignRoute } from '../host/found.ts';
import { formatAddress, parseAddress } from '../ip.ts';
import type { HostState } from '../types.ts';
import { ipJson } from './host-io.ts';
import { readRoutesAround } from './ip-json.ts';

/** Routes of others in all tables, within the overlay or around it. A table may have many: `ip` picks those that matter. */
export async function readAround(state: HostState, ipv6: boolean): Promise<ForeignRoute[]> {
  const list = async (family: 4 | 6, how: 'root' | 'match'): Promise<ForeignRoute[]> => {
    const prefix = state.overlay[`v${family}`];
    const answer = await ipJson(`-${family}`, '-j', 'route', 'show', 'table', 'all', how, prefix);
    return readRoutesAround(answer, state.interface, family);
  };
  const families = ipv6 ? ([4, 6] as const) : ([4] as const);
  return (await Promise.all(families.flatMap((family) => [list(family, 'root'), list(family, 'match')]))).flat();
}

/** The second names what stands behind the resolver of systemd on this host. */
const RESOLVER_FILES = ['/etc/resolv.conf', '/run/systemd/resolve/resolv.conf'];

/** Addresses of the resolvers that the host asks. */
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
