import { isIPv6 } from 'node:net';
import { canonicalUnmapped } from '@sallyport/ip';
import { canonicalEndpoint } from '@sallyport/wireguard';
import type { Address } from './pair.ts';

/**
 * Canonical text of where a datagram came from; a dual-stack socket says IPv4 addresses as IPv6. Null: nothing can be sent
 * there. Anybody can write 0 as the port that he sends from.
 */
export function addressOf(host: string, port: number): Address | null {
  if (port === 0) return null;
  const address = host.replace(/%.*$/, '');
  const plain = canonicalUnmapped(address) ?? address;
  return canonicalEndpoint(isIPv6(plain) ? `[${plain}]:${port}` : `${plain}:${port}`);
}

/** Host as a socket takes it, dual-stack (6) or for IPv4 alone (4), and port. Null: such a socket does not reach it. */
export function socketAddress(address: Address, family: 4 | 6): { host: string | null; port: number } {
  const [, bracketed, plain, port] = /^(?:\[(.+)\]|([^:]+)):(\d+)$/.exec(address) ?? [];
  const host = family === 6 ? (bracketed ?? `::ffff:${plain}`) : (plain ?? null);
  return { host, port: Number(port) };
}
