import {
  formatAddress,
  formatInterfaceAddress,
  formatPrefix,
  type InterfaceAddress,
  type IpAddress,
  parseAddress,
  parseInterfaceAddress,
  prefixOf,
} from '@sallyport/ip';
import { invalid } from './errors.ts';

/** Returns the canonical text of one address. Throws `invalid`. */
export function canonicalAddress(text: string): string {
  return formatAddress(addressOf(text));
}

/** Returns the canonical text of a network: host bits cleared, length always written. An address counts as a network of one. */
export function canonicalCidr(text: string): string {
  return formatPrefix(prefixOf(interfaceAddressOf(text)));
}

/** Returns the canonical text of an interface address: like `canonicalCidr`, with the host bits kept. */
export function canonicalInterfaceAddress(text: string): string {
  return formatInterfaceAddress(interfaceAddressOf(text));
}

/** Returns the canonical text of `192.0.2.1:51820` or `[2001:db8::1]:51820`. Keeps a zone (`%eth0`). */
export function canonicalEndpoint(text: string): string {
  const match = /^(?:\[([0-9a-fA-F:.]+)(%[\w.-]{1,15})?\]|([0-9.]+)):([0-9]{1,5})$/.exec(text);
  const host = match?.[1] ?? match?.[3];
  if (match === null || host === undefined) throw invalid(`not an endpoint (address:port): ${quote(text)}`);
  const address = addressOf(host);
  const port = parsePort(match[4] ?? '');
  if (match[1] !== undefined && address.family === 4) throw invalid(`brackets are for IPv6: ${quote(text)}`);
  return address.family === 4
    ? `${formatAddress(address)}:${port}`
    : `[${formatAddress(address)}${match[2] ?? ''}]:${port}`;
}

/** Parses a UDP port as decimal text, 1..65535. */
export function parsePort(text: string): number {
  const port = Number(text);
  if (!/^[1-9][0-9]{0,4}$/.test(text) || port > 65535) throw invalid(`not a port (1..65535): ${quote(text)}`);
  return port;
}

/** Checks a link name: at most 15 bytes, as on Linux, and nothing that looks like an option or a path. */
export function checkLinkName(name: string): string {
  if (!/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,14}$/.test(name)) {
    throw invalid(`not a link name (1 to 15 letters, digits, "_", ".", "-"): ${quote(name)}`);
  }
  return name;
}

/** Quotes untrusted text for a message. */
export function quote(text: string): string {
  return JSON.stringify(text.length > 64 ? `${text.slice(0, 64)}…` : text);
}

function addressOf(text: string): IpAddress {
  return parseAddress(text) ?? fail(`not an IP address: ${quote(text)}`);
}

function interfaceAddressOf(text: string): InterfaceAddress {
  return parseInterfaceAddress(text) ?? fail(`not an IP address or CIDR: ${quote(text)}`);
}

function fail(message: string): never {
  throw invalid(message);
}
