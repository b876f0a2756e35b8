import { formatAddress, type IpAddress, parsePrefix, parseUnmapped, rangeContains } from '@sallyport/ip';

/**
 * Returns the address that counts for a native device: that of its channel, which others cannot forge by sending packets on. Only
 * where a gateway sees a private address and the controller a global one, the private one counts: the gateway stands in the
 * device's own network. Null: nothing is believed, because there is no channel or because the two contradict each other. Two
 * global addresses of one family must be the same, for IPv6 of one /64.
 */
export function believedSource(ip: string, channel: string | null): string | null {
  const [a, b] = [parseUnmapped(ip), parseUnmapped(channel ?? '')];
  if (a === null || b === null) return null;
  if (!isGlobal(a)) return formatAddress(isGlobal(b) ? a : b);
  if (!isGlobal(b) || a.family !== b.family) return formatAddress(b);
  const isSame = a.family === 4 ? a.value === b.value : a.value >> 64n === b.value >> 64n;
  return isSame ? formatAddress(b) : null;
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
