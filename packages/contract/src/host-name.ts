import { domainToASCII } from 'node:url';

/** Characters of host names and wildcards, in any script. */
export const hostNameCharacters: RegExp = /^[\p{L}\p{M}\p{N}*._-]+$/u;

/** Returns a host name as it is stored: in lower case and in ASCII, without a final dot. */
export function canonicalName(text: string): string {
  const name = text.toLowerCase().replace(/(?<=[^.])\.$/, '');
  if (!/[^\u0000-\u007f]/.test(name) || !hostNameCharacters.test(name)) return name;
  const [prefix = ''] = /^\*{1,2}\./.exec(name) ?? [];
  const ascii = domainToASCII(name.slice(prefix.length));
  return ascii === '' ? name : prefix + ascii;
}
