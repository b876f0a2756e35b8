import { parseAddress } from '@sallyport/ip';

const hostName =
  /^(?=.{1,253}$)([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*$/;

/**
 * Parses the host and optional port of an endpoint: `vpn.example.com`, `192.0.2.1:51820`, `2001:db8::1`,
 * `[2001:db8::1]:51820`. Returns null for any other text.
 */
export function parseEndpoint(value: string): { host: string; port: number | null } | null {
  if (parseAddress(value) !== null) return { host: value, port: null };
  const match = /^(?:\[([0-9A-Fa-f:.]+)\]|([^:[\]]+))(?::([1-9][0-9]{0,4}))?$/.exec(value);
  if (match === null) return null;
  const port = match[3] === undefined ? null : Number(match[3]);
  if (port !== null && port > 65535) return null;
  const host = match[1] ?? match[2] ?? '';
  if (match[1] !== undefined) return parseAddress(host)?.family === 6 ? { host, port } : null;
  // Text of only digits and dots is a mistyped IPv4 address, not a name.
  if (/^[0-9.]+$/.test(host)) return parseAddress(host)?.family === 4 ? { host, port } : null;
  return hostName.test(host) ? { host, port } : null;
}
