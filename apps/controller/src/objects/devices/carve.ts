import { type IpRange, parseAddress, parsePrefix, rangeContains, rangeToPrefixes } from '@sallyport/ip';

/** An address that packets of the tunnel itself go to. */
export interface EndpointAddress {
  readonly address: string;
  /** Name of the gateway, for people. */
  readonly gateway: string;
}

/** What is left of the prefixes, and the endpoints that were taken out, with the prefix that covered each. */
export interface Carved {
  readonly prefixes: readonly string[];
  readonly out: readonly (EndpointAddress & { readonly prefix: string })[];
}

/**
 * Takes endpoints out of prefixes. An app that routes such a prefix into the tunnel would send the tunnel's own packets
 * there, and those again, without end. Default routes stay whole: every app keeps its own packets out of them, and knows
 * a full tunnel by them.
 */
export function carve(prefixes: readonly string[], endpoints: readonly EndpointAddress[]): Carved {
  const out: Carved['out'][number][] = [];
  const left = prefixes.flatMap((text) => {
    const prefix = parsePrefix(text);
    if (prefix === null || prefix.length === 0) return [text];
    const inside = endpoints.filter(({ address }) => holds(prefix, address));
    if (inside.length === 0) return [text];
    out.push(...inside.map((endpoint) => ({ ...endpoint, prefix: text })));
    return without(prefix, inside).flatMap(rangeToPrefixes);
  });
  return { prefixes: left, out };
}

/** Whether an unknown address could lie in one of the prefixes that are carved. */
export const mayHold = (prefixes: readonly string[]): boolean =>
  prefixes.some((text) => (parsePrefix(text)?.length ?? 0) > 0);

function holds(range: IpRange, text: string): boolean {
  const address = parseAddress(text);
  return address !== null && rangeContains(range, address.family, address.value);
}

function without({ family, first, last }: IpRange, endpoints: readonly EndpointAddress[]): IpRange[] {
  const holes = [...new Set(endpoints.flatMap(({ address }) => parseAddress(address)?.value ?? []))];
  const left: IpRange[] = [];
  let at = first;
  for (const hole of holes.sort((a, b) => (a < b ? -1 : 1))) {
    if (hole > at) left.push({ family, first: at, last: hole - 1n });
    at = hole + 1n;
  }
  if (at <= last) left.push({ family, first: at, last });
  return left;
}
