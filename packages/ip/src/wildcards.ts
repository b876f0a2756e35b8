/**
 * A wildcard in the addresses of a resource: `*.corp.example` covers the names with one label more, and
 * `**.corp.example` those with one or more.
 */

/** Returns whether the address of a resource is a wildcard. */
export const isWildcard = (name: string): boolean => name.startsWith('*');

/** Returns the name under which a wildcard covers others: `corp.example` of `*.corp.example`. */
export const wildcardBase = (wildcard: string): string => wildcard.replace(/^\*{1,2}\./, '');

/** Returns every wildcard that covers a name, the narrowest first. None for a wildcard or a name without dots. */
export function wildcardsOver(name: string): string[] {
  if (isWildcard(name)) return [];
  const [, ...labels] = name.split('.');
  return labels.flatMap((_, i) => {
    const base = labels.slice(i).join('.');
    return i === 0 ? [`*.${base}`, `**.${base}`] : [`**.${base}`];
  });
}
