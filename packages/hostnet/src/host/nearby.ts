import { formatNetwork, parsePrefix } from '../ip.ts';

/** A prefix that an interface of the host is connected to, by an address of its own or by a route without a router. */
export interface ConnectedPrefix {
  readonly device: string;
  /** CIDR. */
  readonly prefix: string;
}

/**
 * Networks right at this host, canonical and sorted. What is wider than any network card's is a way to the internet, such
 * as the default route of a point-to-point link or of another VPN.
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
