import type { GatewayItem } from '@sallyport/contract/channel';
import {
  type Family,
  type IpRange,
  parseAddress,
  parsePrefix,
  parseRange,
  rangeContains,
  rangeOfNames4,
} from '@sallyport/ip';

/** Ranges to which no name may lead, whatever a resolver answers. */
const special = [
  ...['0.0.0.0/8', '127.0.0.0/8', '169.254.0.0/16', '224.0.0.0/4', '240.0.0.0/4'],
  ...['::/96', '::ffff:0:0/96', 'fe80::/10', 'ff00::/8'],
  // Clouds give the credentials of a host to its own programs here, besides 169.254.169.254.
  ...['192.0.0.0/24', '100.100.100.200/32', '168.63.129.16/32', 'fd00:ec2::254/128'],
];

/** A NAT64 (RFC 6052) translates these to the IPv4 address in their last 32 bits. */
const translated = '64:ff9b::/96';

/**
 * Returns a test for real addresses that a name must not have: special ranges, the overlay, addresses that a policy
 * denies, and this host's own. A name could otherwise lead devices past the rules about these addresses.
 */
export function forbiddenAddresses(
  { overlay, deniedRanges = [] }: Pick<GatewayItem, 'overlay' | 'deniedRanges'>,
  own: readonly string[],
): (address: string) => boolean {
  const ranges: IpRange[] = [
    ...[...special, overlay.v4, overlay.v6, rangeOfNames4(overlay), ...own].flatMap((text) => parsePrefix(text) ?? []),
    ...deniedRanges.flatMap((text) => parseRange(text) ?? []),
  ];
  const covered = (family: Family, value: bigint) => ranges.some((range) => rangeContains(range, family, value));
  const nat64 = parsePrefix(translated);
  return (text) => {
    const address = parseAddress(text);
    if (address === null || covered(address.family, address.value)) return true;
    const isTranslated = nat64 !== null && rangeContains(nat64, address.family, address.value);
    return isTranslated && covered(4, address.value & 0xffff_ffffn);
  };
}
