import { canonicalUnmapped } from '@sallyport/ip';

/** Returns the canonical text of a peer's address: no zone, and IPv4 as IPv4. Returns null when it is no address. */
export function plainAddress(text: string): string | null {
  return canonicalUnmapped(text.replace(/%.*$/, ''));
}

/** Returns `host:port` as WireGuard configurations write it. */
export function endpointText(address: string, port: number): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}
