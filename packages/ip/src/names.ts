import { formatPrefix, parsePrefix } from './prefix.ts';

/** The range of the IPv4 addresses that stand for host names in the tunnel, unless the operator names another one. */
export const rangeOfNames = '100.96.0.0/11';

/** Returns the range of the IPv4 addresses that stand for names. `names`: left out, it is the usual one. */
export const rangeOfNames4 = ({ names = rangeOfNames }: { readonly names?: string | undefined }): string => names;

/** Members have the first /64 of their tenant's prefix, names the last one. */
const subnetOfNames = 0xffffn << 64n;

/** Returns the prefix of the IPv6 addresses that stand for names. `overlay`: the /48 of the tenant. */
export function rangeOfNames6(overlay: string): string {
  const whole = parsePrefix(overlay);
  if (whole === null || whole.family !== 6) throw new RangeError(`not an IPv6 prefix: ${overlay}`);
  const first = whole.first | subnetOfNames;
  return formatPrefix({ family: 6, first, last: first + (1n << 64n) - 1n, length: 64 });
}
