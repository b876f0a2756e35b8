import { isIPv6 } from 'node:net';
import { canonicalUnmapped } from '@sallyport/ip';
import { canonicalEndpoint } from '@sallyport/wireguard';
import type { Address } from './pair.ts';

/**
 * Returns the canonical text of a datagram's source. A dual-stack socket gives IPv4 addresses as IPv6. Null when
 * nothing can be sent there: a sender can forge the port 0.
 */
export function addressOf(host: string, port: number): Address | null {
  if (port === 0) return null;
  const address = host.replace(/%.*$/, '');
  const plain = canonicalUnmapped(address) ?? address;
  return canonicalEndpoint(isIPv6(plain) ? `[${plain}]:${port}` : `${plain}:${port}`);
}

/**
 * Returns host and port for a dual-stack (6) or IPv4-only (4) socket. Null when the socket cannot reach the address.
 */
export function socketAddress(address: Address, family: 4 | 6): { host: string | null; port: number } {
  const [, bracketed, plain, port] = /^(?:\[(.+)\]|([^:]+)):(\d+)$/.exec(address) ?? [];
  const host = family === 6 ? (bracketed ?? `::ffff:${plain}`) : (plain ?? null);
  return { host, port: Number(port) };
}
