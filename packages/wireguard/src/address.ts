import { invalid } from './errors.ts';

/** An address: 4 or 16 bytes. */
export interface IpAddress {
  readonly family: 4 | 6;
  readonly bytes: readonly number[];
}

/** Strict IPv4 dotted quad or IPv6 text (RFC 4291), without a zone. */
export function parseIp(text: string): IpAddress {
  const bytes = text.includes(':') ? parseIpv6(text) : parseIpv4(text);
  if (bytes === null) throw invalid(`not an IP address: ${quote(text)}`);
  return { family: bytes.length === 4 ? 4 : 6, bytes };
}

/** Canonical text: dotted quad, or RFC 5952. */
export function formatIp(address: IpAddress): string {
  return address.family === 4 ? address.bytes.join('.') : formatIpv6(address.bytes);
}

/** Canonical text of a range: host bits cleared, prefix always written. A bare address is a range of one. */
export function canonicalCidr(text: string): string {
  const { address, prefix } = splitCidr(text);
  const bytes = address.bytes.map((byte, index) => byte & maskByte(prefix, index));
  return `${formatIp({ family: address.family, bytes })}/${prefix}`;
}

/** Canonical text of an interface address: like `canonicalCidr`, with the host bits kept. */
export function canonicalInterfaceAddress(text: string): string {
  const { address, prefix } = splitCidr(text);
  return `${formatIp(address)}/${prefix}`;
}

/** Canonical text of `192.0.2.1:51820` or `[2001:db8::1]:51820`. A zone (`%eth0`) is kept. */
export function canonicalEndpoint(text: string): string {
  const match = /^(?:\[([0-9a-fA-F:.]+)(%[\w.-]{1,15})?\]|([0-9.]+)):([0-9]{1,5})$/.exec(text);
  const host = match?.[1] ?? match?.[3];
  if (match === null || host === undefined) throw invalid(`not an endpoint (address:port): ${quote(text)}`);
  const address = parseIp(host);
  const port = parsePort(match[4] ?? '');
  if (match[1] !== undefined && address.family === 4) throw invalid(`brackets are for IPv6: ${quote(text)}`);
  return address.family === 4 ? `${formatIp(address)}:${port}` : `[${formatIp(address)}${match[2] ?? ''}]:${port}`;
}

/** A UDP port as decimal text, 1..65535. */
export function parsePort(text: string): number {
  const port = Number(text);
  if (!/^[1-9][0-9]{0,4}$/.test(text) || port > 65535) throw invalid(`not a port (1..65535): ${quote(text)}`);
  return port;
}

/** A link name as Linux takes it (15 bytes), without anything that a program could take for an option or a path. */
export function checkLinkName(name: string): string {
  if (!/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,14}$/.test(name)) {
    throw invalid(`not a link name (1 to 15 letters, digits, "_", ".", "-"): ${quote(name)}`);
  }
  return name;
}

/** Text from outside, made safe to stand in a message. */
export function quote(text: string): string {
  return JSON.stringify(text.length > 64 ? `${text.slice(0, 64)}…` : text);
}

function splitCidr(text: string): { address: IpAddress; prefix: number } {
  const slash = text.indexOf('/');
  const address = parseIp(slash === -1 ? text : text.slice(0, slash));
  const longest = address.bytes.length * 8;
  if (slash === -1) return { address, prefix: longest };
  const digits = text.slice(slash + 1);
  const prefix = Number(digits);
  if (!/^(0|[1-9][0-9]{0,2})$/.test(digits) || prefix > longest) throw invalid(`not a CIDR: ${quote(text)}`);
  return { address, prefix };
}

function maskByte(prefix: number, index: number): number {
  const bits = Math.min(8, Math.max(0, prefix - index * 8));
  return (0xff << (8 - bits)) & 0xff;
}

function parseIpv4(text: string): number[] | null {
  const parts = text.split('.');
  if (parts.length !== 4) return null;
  if (!parts.every((part) => /^(0|[1-9][0-9]{0,2})$/.test(part) && Number(part) <= 255)) return null;
  return parts.map(Number);
}

function parseIpv6(text: string): number[] | null {
  const halves = text.split('::');
  if (halves.length > 2) return null;
  const head = parseGroups(halves[0] ?? '', halves.length === 1);
  const tail = parseGroups(halves[1] ?? '', true);
  if (head === null || tail === null) return null;
  const missing = 16 - head.length - tail.length;
  if (halves.length === 1 ? missing !== 0 : missing < 2) return null;
  return [...head, ...new Array<number>(missing).fill(0), ...tail];
}

function parseGroups(text: string, mayEndInIpv4: boolean): number[] | null {
  if (text === '') return [];
  const bytes: number[] = [];
  const groups = text.split(':');
  for (const [index, group] of groups.entries()) {
    if (mayEndInIpv4 && index === groups.length - 1 && group.includes('.')) {
      const ipv4 = parseIpv4(group);
      if (ipv4 === null) return null;
      bytes.push(...ipv4);
    } else {
      if (!/^[0-9a-fA-F]{1,4}$/.test(group)) return null;
      const value = Number.parseInt(group, 16);
      bytes.push(value >> 8, value & 0xff);
    }
  }
  return bytes;
}

function formatIpv6(bytes: readonly number[]): string {
  if (bytes.slice(0, 10).every((byte) => byte === 0) && bytes[10] === 0xff && bytes[11] === 0xff) {
    return `::ffff:${bytes.slice(12).join('.')}`;
  }
  const groups = Array.from({ length: 8 }, (_, i) => ((bytes[2 * i] ?? 0) << 8) | (bytes[2 * i + 1] ?? 0));
  const { start, length } = longestZeroRun(groups);
  const text = (part: readonly number[]) => part.map((group) => group.toString(16)).join(':');
  if (length < 2) return text(groups);
  return `${text(groups.slice(0, start))}::${text(groups.slice(start + length))}`;
}

function longestZeroRun(groups: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  let run = 0;
  for (const [index, group] of groups.entries()) {
    run = group === 0 ? run + 1 : 0;
    if (run > best.length) best = { start: index - run + 1, length: run };
  }
  return best;
}
