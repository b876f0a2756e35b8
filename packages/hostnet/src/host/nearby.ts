import { formatNetwork, parsePrefix } from '../ip.ts';

/** A prefix that an interface of the host is connected to, by its own address or by a route without a router. */
export interface ConnectedPrefix {
  readonly device: string;
  /** CIDR. */
  readonly prefix: string;
}

/**
 * Returns the networks directly at this host, canonical and sorted. It leaves out prefixes wider than those of a
 * network card. Such a prefix leads to the internet, like the default route of a point-to-point link or of another
 * VPN.
 */
export function nearbyPrefixes(tunnel: string, connected: readonly ConnectedPrefix[]): string[] {
  const near = connected
    .filter(({ device }) => device !== tunnel && device !== 'lo')
    .map(({ prefix }) => parsePrefix(prefix))
    .filter(({ family, length }) => length >= WIDEST[family])
    .map(formatNetwork);
  return [...new Set(near)].sort();
}

const WIDEST = { 4: 8, 6: 16 } as const;
