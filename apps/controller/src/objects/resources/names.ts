import { domainToASCII, domainToUnicode } from 'node:url';
import { hostNameCharacters } from '@sallyport/contract/host-name';
import { isWildcard, wildcardBase } from '@sallyport/ip';

/** Returns why a canonical text is no host name (RFC 1123), as a message for its field; null when it is one. */
export function nameRefusal(text: string): string | null {
  if (!hostNameCharacters.test(text) || !/[\p{L}*]/u.test(text))
    return 'must be an IPv4 or IPv6 address, a CIDR range or a host name';
  const name = isWildcard(text) ? wildcardBase(text) : text;
  if (name.includes('*') || name === '')
    return 'has a wildcard in another place than its beginning: write *.corp.example, or **.corp.example for any depth';
  if (/[^\u0000-\u007f]/.test(name)) return 'is not a host name in any script: some of its characters are not allowed';
  if (!hostName.test(name) || lastLabelIsNumber.test(name))
    return 'is not a host name: labels have letters, digits and inner hyphens, at most 63 of them';
  if (/(^|\.)xn--/.test(name) && !standsForText(name))
    return 'is not a host name: a label that begins with xn-- stands for no text';
  return null;
}

/** Returns why names under a wildcard cannot be one organisation's alone, as a message for its field; null when they can. */
export async function wildcardRefusal(wildcard: string): Promise<string | null> {
  const base = wildcardBase(wildcard);
  if (specialSuffixes.has(base)) return `covers all of .${base}, which resolvers treat in a way of their own`;
  if (privateSuffixes.has(base)) return null;
  // The list of public suffixes is large, and few tenants have wildcards.
  const { parse } = await import('tldts');
  const { publicSuffix, isIcann, isPrivate } = parse(base, { allowPrivateDomains: true });
  if (publicSuffix !== base || !(isIcann || isPrivate)) return null;
  return `covers all of .${base}, where names belong to many organisations: put the name of yours before it`;
}

/**
 * Returns a name in the script that people read; null when it has no other form than ASCII, or when a label mixes
 * scripts or looks like Latin letters without being any.
 */
export function readableName(name: string): string | null {
  if (!name.includes('xn--')) return null;
  const readable = domainToUnicode(isWildcard(name) ? wildcardBase(name) : name);
  if (readable.includes('xn--') || !readable.split('.').every(isPlain)) return null;
  return isWildcard(name) ? name.replace(wildcardBase(name), readable) : readable;
}

/** Returns whether each label that begins with xn-- decodes to text, and the text encodes to it again. */
function standsForText(name: string): boolean {
  const text = domainToUnicode(name);
  return !/(^|\.)xn--/.test(text) && domainToASCII(text) === name;
}

const label = '[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?';
const hostName = new RegExp(`^(?=.{1,253}$)${label}(\\.${label})*$`);
/** Matches text that resolvers take for an IPv4 address. */
const lastLabelIsNumber = /(^|\.)[0-9]+$/;

/** Resolvers ask no DNS server for these (RFC 6761, 6762, 7686, 9476), or use them for addresses. */
const specialSuffixes = new Set(['local', 'localhost', 'invalid', 'onion', 'alt', 'arpa', 'in-addr.arpa', 'ip6.arpa']);
/** Kept for networks at home (RFC 8375); public suffixes by the list. */
const privateSuffixes = new Set(['home.arpa']);

/** Scripts that one label may have; several where a language writes them together. */
const scripts: readonly RegExp[] = [
  ...['Latin', 'Greek', 'Cyrillic', 'Armenian', 'Hebrew', 'Arabic', 'Devanagari', 'Bengali', 'Gujarati', 'Tamil'],
  ...['Telugu', 'Kannada', 'Malayalam', 'Sinhala', 'Thai', 'Lao', 'Georgian', 'Khmer', 'Ethiopic'],
]
  .map((script) => `\\p{Script=${script}}`)
  .concat('\\p{Script=Han}\\p{Script=Hiragana}\\p{Script=Katakana}ー', '\\p{Script=Han}\\p{Script=Hangul}')
  .map((set) => new RegExp(`^[${set}\\p{M}0-9-]+$`, 'u'));

/** Greek and Cyrillic letters that look like Latin ones. */
const likeLatin = /^[аӏԛԝьсԁеһіјӏорѕухвкмнтгοαινορυχκ0-9-]+$/u;

const isPlain = (text: string): boolean => scripts.some((script) => script.test(text)) && !likeLatin.test(ascii(text));

/** A label of ASCII alone does not look like a different label. */
const ascii = (text: string): string => (/^[\u0000-\u007f]*$/.test(text) ? 'a' : text);
