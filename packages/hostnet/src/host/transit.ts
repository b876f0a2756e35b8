import type { Transit } from '../types.ts';
import type { SysctlChange } from './sysctls.ts';

/** One interface as `ip -d link` lists it. */
export interface FoundLink {
  readonly name: string;
  /** `bridge`, `veth`, `tun` and so on; null for a network card. */
  readonly kind: string | null;
  /** The bridge or similar interface that it belongs to. */
  readonly master: string | null;
}

/**
 * Returns where foreign packets may pass. It closes the families whose forwarding is on only because we turned it on. A
 * bridge without a port to the outside is the network of this host's containers or virtual machines.
 */
export function planTransit(tunnel: string, changed: readonly SysctlChange[], links: readonly FoundLink[]): Transit {
  const own = ['default', tunnel].map((name) => `net/ipv6/conf/${name}/force_forwarding`);
  const paths = changed.filter(({ before }) => before === '0').map(({ path }) => path);
  const closes4 = paths.includes('net/ipv4/ip_forward');
  const closes6 = paths.some(
    (path) =>
      path === 'net/ipv6/conf/all/forwarding' ||
      (/^net\/ipv6\/conf\/.+\/force_forwarding$/.test(path) && !own.includes(path)),
  );
  const families = ([4, 6] as const).filter((family) => (family === 4 ? closes4 : closes6));
  if (families.length === 0) return { families, bridges: [], virtual: [] };
  const bridges = links
    .filter(({ kind, name }) => kind === 'bridge' && plain.test(name))
    .map(({ name }) => name)
    .sort();
  const leadsOut = new Set(links.filter(({ kind }) => kind !== 'veth' && kind !== 'tun').map(({ master }) => master));
  return { families, bridges, virtual: bridges.filter((name) => !leadsOut.has(name)) };
}

/** Interface names that nft can express. */
const plain = /^[A-Za-z0-9_.:@-]{1,15}$/;
