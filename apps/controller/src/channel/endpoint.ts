import { formatAddress, parseAddress } from '@sallyport/contract';

/** Canonical text of a peer's address: no zone, and IPv4 as IPv4 even when the socket says it as IPv6. Null when it is none. */
export function plainAddress(text: string): string | null {
  const address = parseAddress(text.replace(/%.*$/, ''));
  if (address === null) return null;
  const mapped = address.family === 6 && address.value >> 32n === 0xffffn;
  return mapped ? formatAddress(4, address.value & 0xffffffffn) : formatAddress(address.family, address.value);
}

/** `host:port` as WireGuard configurations write it. */
export function endpointText(address: string, port: number): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}
