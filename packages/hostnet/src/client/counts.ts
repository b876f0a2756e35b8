import type { IpRange } from '@sallyport/ip';
import { tableName } from '../firewall/ruleset.ts';
import { formatRange, parsePrefix, prefixRange } from '../ip.ts';

/** Packets into the tunnel for a prefix, and the answers from it, since counting started. */
export interface PrefixCount {
  readonly sent: number;
  readonly heard: number;
}

/** A host behind a counted prefix that answered: a TCP server, or (`port` null) the target of an ICMP echo. */
export interface Answering {
  readonly address: string;
  readonly port: number | null;
  readonly agoMs: number;
}

/** Sets of the client's table whose elements count the packets of routes. */
export const COUNT_SETS = ['sent4', 'sent6', 'heard4', 'heard6'] as const;

/** Sets of the hosts that answered within the last minutes. The kernel adds to them itself while there is room. */
export const ANSWER_SETS = ['servers4', 'servers6', 'echoed4', 'echoed6'] as const;

/** Seconds for which an answer is remembered. */
export const ANSWER_SECONDS = 600;

/** Returns commands that add the counting sets to a table. */
export function countSetTexts(table: string): string[] {
  const address = (name: string): string => (name.endsWith('4') ? 'ipv4_addr' : 'ipv6_addr');
  return [
    ...COUNT_SETS.map((name) => `add set ${table} ${name} { type ${address(name)}; flags interval; counter; }`),
    ...ANSWER_SETS.map((name) => {
      const type = name.startsWith('servers') ? `${address(name)} . inet_service` : address(name);
      return `add set ${table} ${name} { type ${type}; size 1024; flags dynamic,timeout; timeout ${ANSWER_SECONDS}s; }`;
    }),
  ];
}

/** Rules of the chain for answers from counted prefixes. Only the start of a connection costs more than one look-up. */
export const ANSWER_RULES = ([4, 6] as const).flatMap((family) => {
  const [ip, icmp] = family === 4 ? ['ip', 'icmp'] : ['ip6', 'icmpv6'];
  return [
    `meta nfproto ipv${family} tcp flags & (syn | ack) == syn | ack update @servers${family} { ${ip} saddr . tcp sport }`,
    `${icmp} type echo-reply update @echoed${family} { ${ip} saddr }`,
  ];
});

/** The ranges of the prefixes outside overlays. Each range counts for the longest prefix that contains it. */
export interface CountPlan {
  /** Prefix by the text of a range. */
  readonly ranges: ReadonlyMap<string, string>;
}

/** Prepares the ranges. Prefixes that are `apart` count for nothing. Throws `invalid-state`. */
export function planCounts(prefixes: readonly string[], apart: readonly string[]): CountPlan {
  const counted = new Set(prefixes);
  const all = [...new Set([...prefixes, ...apart])].map((text) => ({ text, range: prefixRange(parsePrefix(text)) }));
  const ranges = new Map<string, string>();
  const put = (text: string, range: IpRange): void => {
    if (range.first <= range.last && counted.has(text)) ranges.set(formatRange(range), text);
  };
  for (const family of [4, 6] as const) {
    const open: { text: string; range: IpRange }[] = [];
    let at = 0n;
    const close = (until: bigint): void => {
      for (let top = open.at(-1); top !== undefined && top.range.last < until; top = open.at(-1)) {
        put(top.text, { family, first: at, last: top.range.last });
        at = top.range.last + 1n;
        open.pop();
      }
    };
    for (const next of all.filter(({ range }) => range.family === family).sort(byStart)) {
      close(next.range.first);
      const around = open.at(-1);
      if (around !== undefined) put(around.text, { family, first: at, last: next.range.first - 1n });
      at = next.range.first;
      open.push(next);
    }
    close(1n << 128n);
  }
  return { ranges };
}

/** Returns the text of a transaction that starts to count from zero. */
export function countText(interfaceName: string, { ranges }: CountPlan): string {
  const table = `inet ${tableName(interfaceName)}`;
  const lines = COUNT_SETS.flatMap((name) => {
    const elements = [...ranges.keys()].filter((text) => text.includes(':') === name.endsWith('6'));
    const add = `add element ${table} ${name} { ${elements.join(', ')} }`;
    return [`flush set ${table} ${name}`, ...(elements.length > 0 ? [add] : [])];
  });
  return `${lines.join('\n')}\n`;
}

/** Packets by the text of a range, for each set. */
export type FoundCounts = ReadonlyMap<string, ReadonlyMap<string, number>>;

/** Returns the counts by prefix, or null if the kernel counts other ranges than the wanted ones. */
export function readCounts({ ranges }: CountPlan, found: FoundCounts): Map<string, PrefixCount> | null {
  const counts = new Map<string, PrefixCount>();
  let known = 0;
  for (const [text, prefix] of ranges) {
    const family = text.includes(':') ? 6 : 4;
    const [sent, heard] = [found.get(`sent${family}`)?.get(text), found.get(`heard${family}`)?.get(text)];
    if (sent === undefined || heard === undefined) return null;
    known += 2;
    const before = counts.get(prefix) ?? { sent: 0, heard: 0 };
    counts.set(prefix, { sent: before.sent + sent, heard: before.heard + heard });
  }
  const all = [...found.values()].reduce((sum, elements) => sum + elements.size, 0);
  return all === known ? counts : null;
}

/** Sorts prefixes by their start; a wider prefix comes first. */
function byStart(a: { readonly range: IpRange }, b: { readonly range: IpRange }): number {
  if (a.range.first !== b.range.first) return a.range.first < b.range.first ? -1 : 1;
  return a.range.last > b.range.last ? -1 : a.range.last < b.range.last ? 1 : 0;
}
