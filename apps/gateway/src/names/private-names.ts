import { parseAddress, parsePrefix, rangeContains } from '@sallyport/ip';

/** Names that no resolver of the internet has (RFC 6761, RFC 6762, RFC 7686, RFC 8375, and `internal`). */
const domains = ['localhost', 'local', 'invalid', 'onion', 'home.arpa', 'internal'];

/** Returns whether a name is never asked for elsewhere: it has one label, or is of a domain for local use. */
export function isAloof(name: string): boolean {
  return !name.includes('.') || domains.some((domain) => name.endsWith(`.${domain}`));
}

/** Networks that are not part of the internet, besides those to which no name may lead. */
const networks = ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '100.64.0.0/10', '192.0.0.0/24', 'fc00::/7'].flatMap(
  (text) => parsePrefix(text) ?? [],
);

/** Returns whether an address is of a private network. */
export function isPrivate(text: string): boolean {
  const address = parseAddress(text);
  return address !== null && networks.some((range) => rangeContains(range, address.family, address.value));
}

/**
 * Returns the address for which a name of `in-addr.arpa` or `ip6.arpa` stands. A shorter name stands for the first address
 * of its network. Null: another name.
 */
export function reverseAddress(name: string): string | null {
  const four = /^((?:\d{1,3}\.){1,4})in-addr\.arpa$/.exec(name)?.[1];
  if (four !== undefined) {
    const parts = four.split('.').slice(0, -1).reverse();
    return [...parts, '0', '0', '0'].slice(0, 4).join('.');
  }
  const six = /^((?:[0-9a-f]\.){1,32})ip6\.arpa$/.exec(name)?.[1];
  if (six === undefined) return null;
  const digits = six.split('.').slice(0, -1).reverse().join('').padEnd(32, '0');
  return (digits.match(/.{4}/g) ?? []).join(':');
}
