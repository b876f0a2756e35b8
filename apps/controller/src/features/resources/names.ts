import { domainToASCII } from 'node:url';

/** Returns a host name as it is stored: in lower case, without a final dot. */
export const canonicalName = (text: string): string => text.toLowerCase().replace(/(?<=[^.])\.$/, '');

/** Returns why a canonical text is no host name (RFC 1123), as a message for its field; null when it is one. */
export function nameRefusal(text: string): string | null {
  if (!/^[\p{L}\p{M}\p{N}*._-]+$/u.test(text) || !/\p{L}/u.test(text))
    return 'must be an IPv4 or IPv6 address, a CIDR range or a host name';
  if (text.includes('*')) return 'is a wildcard: give each name of its own, or the addresses';
  const ascii = domainToASCII(text);
  if (ascii !== text && /[^\u0000-\u007f]/.test(text) && ascii !== '') return `must be written as ${ascii}`;
  return hostName.test(text) && !lastLabelIsNumber.test(text)
    ? null
    : 'is not a host name: labels have letters, digits and inner hyphens, at most 63 of them';
}

const label = '[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?';
const hostName = new RegExp(`^(?=.{1,253}$)${label}(\\.${label})*$`);
/** Matches text that resolvers take for an IPv4 address. */
const lastLabelIsNumber = /(^|\.)[0-9]+$/;
