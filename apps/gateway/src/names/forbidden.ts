import type { GatewayItem } from '@sallyport/contract/channel';
import { type IpRange, parseAddress, parsePrefix, parseRange, rangeContains, rangeOfNames } from '@sallyport/ip';

/** Ranges to which no name may lead, whatever a resolver answers. */
const special = [
  ...['0.0.0.0/8', '127.0.0.0/8', '169.254.0.0/16', '224.0.0.0/4', '240.0.0.0/4', rangeOfNames],
  ...['::/128', '::1/128', '::ffff:0:0/96', 'fe80::/10', 'ff00::/8'],
];

/**
 * Returns a test for real addresses that a name must not have: special ranges, the overlay, addresses that a policy
 * denies, and this host's own. A name could otherwise lead devices past the rules about these addresses.
 */
export function forbiddenAddresses(
  { overlay, deniedRanges = [] }: Pick<GatewayItem, 'overlay' | 'deniedRanges'>,
  own: readonly string[],
): (address: string) => boolean {
  const ranges: IpRange[] = [
    ...[...special, overlay.v4, overlay.v6, ...own].flatMap((text) => parsePrefix(text) ?? []),
    ...deniedRanges.flatMap((text) => parseRange(text) ?? []),
  ];
  return (text) => {
    const address = parseAddress(text);
    return address === null || ranges.some((range) => rangeContains(range, address.family, address.value));
  };
}
