import { type IpAddress, parsePrefix, parseUnmapped, rangeContains } from '@sallyport/ip';

/**
 * Returns whether a device may have an address, given where its channel comes from. Two global addresses of one family must be
 * the same, for IPv6 of one /64. Others cannot be compared: a gateway in the device's own network sees a private address, and a
 * host with IPv4 and IPv6 uses either. Without a channel nothing is believed.
 */
export function agrees(ip: string, channel: string | null): boolean {
  if (channel === null) return false;
  const [a, b] = [parseUnmapped(ip), parseUnmapped(channel)];
  if (a === null || b === null || a.family !== b.family || !isGlobal(a) || !isGlobal(b)) return true;
  return a.family === 4 ? a.value === b.value : a.value >> 64n === b.value >> 64n;
}

function isGlobal({ family, value }: IpAddress): boolean {
  if (family === 6) return value >> 125n === 1n;
  return !notGlobal.some((range) => rangeContains(range, 4, value));
}

const notGlobal = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.168.0.0/16',
  '224.0.0.0/3',
].flatMap((text) => parsePrefix(text) ?? []);
