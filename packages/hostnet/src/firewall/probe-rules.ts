import { formatAddress, parsePrefix, prefixRange } from '../ip.ts';
import { CLEAR, type Name, type Overlay } from './rule-text.ts';

/** A target that a probe may reach: a TCP or UDP port, or ICMP echo (`port` null). */
export interface ProbeTarget {
  /** The address, without prefix length. */
  readonly address: string;
  readonly port: number | null;
  /** The protocol. If absent, it is TCP when there is a port. */
  readonly protocol?: 'udp';
}

/**
 * Rules for probes. The agent sends probes through the tunnel as its own peer, so that they meet the same rules as a
 * device's packets. Its addresses are the last of the overlay, which no device gets. It may reach the elements of
 * these sets and nothing else. Elements live for seconds.
 */
export const PROBE_SETS = [
  { name: 'probed4', spec: 'type ipv4_addr . inet_service; flags timeout;' },
  { name: 'probed6', spec: 'type ipv6_addr . inet_service; flags timeout;' },
  { name: 'told4', spec: 'type ipv4_addr . inet_service; flags timeout;' },
  { name: 'told6', spec: 'type ipv6_addr . inet_service; flags timeout;' },
  { name: 'pinged4', spec: 'type ipv4_addr; flags timeout;' },
  { name: 'pinged6', spec: 'type ipv6_addr; flags timeout;' },
] as const;

/** Name of the counter for probe traffic, which keeps it out of the policies' counters. */
export const PROBE_COUNTER = 'probes';

/** Milliseconds for which a target is admitted. */
const ADMITTED_MS = 15_000;

/** The source addresses of probes. */
export function probeSources({ v4, v6 }: Overlay): { readonly v4: string; readonly v6: string } {
  return { v4: lastOf(v4), v6: lastOf(v6) };
}

/** Rules for requests of probes, which apply to sources that belong to no device. */
export function probesIn(g: Name, overlay: Overlay): string[] {
  const source = probeSources(overlay);
  return [
    `ip saddr ${source.v4} ip daddr . tcp dport @${g('probed4')} ${LET_THROUGH}`,
    `ip6 saddr ${source.v6} ip6 daddr . tcp dport @${g('probed6')} ${LET_THROUGH}`,
    `ip saddr ${source.v4} ip daddr . udp dport @${g('told4')} ${LET_THROUGH}`,
    `ip6 saddr ${source.v6} ip6 daddr . udp dport @${g('told6')} ${LET_THROUGH}`,
    `ip saddr ${source.v4} icmp type echo-request ip daddr @${g('pinged4')} ${LET_THROUGH}`,
    `ip6 saddr ${source.v6} icmpv6 type echo-request ip6 daddr @${g('pinged6')} ${LET_THROUGH}`,
  ];
}

/** Rules for the answers to probes. */
export function probesOut(g: Name, overlay: Overlay): string[] {
  const source = probeSources(overlay);
  const reply = `ct direction reply`;
  return [
    `ip daddr ${source.v4} ${reply} ip saddr . tcp sport @${g('probed4')} ${LET_THROUGH}`,
    `ip6 daddr ${source.v6} ${reply} ip6 saddr . tcp sport @${g('probed6')} ${LET_THROUGH}`,
    `ip daddr ${source.v4} ${reply} icmp type echo-reply ip saddr @${g('pinged4')} ${LET_THROUGH}`,
    `ip6 daddr ${source.v6} ${reply} icmpv6 type echo-reply ip6 saddr @${g('pinged6')} ${LET_THROUGH}`,
  ];
}

/** Returns the text of a transaction that lets probes through to these targets and no others. */
export function admitProbesText(table: string, g: Name, targets: readonly ProbeTarget[]): string {
  const elements = new Map<string, Set<string>>();
  for (const { address, port, protocol } of targets) {
    const kind = port === null ? 'pinged' : protocol === 'udp' ? 'told' : 'probed';
    const name = `${kind}${address.includes(':') ? 6 : 4}`;
    const key = port === null ? address : `${address} . ${port}`;
    elements.set(name, (elements.get(name) ?? new Set()).add(`${key} timeout ${ADMITTED_MS}ms`));
  }
  const lines = PROBE_SETS.flatMap(({ name }) => [
    `flush set ${table} ${g(name)}`,
    ...(elements.has(name)
      ? [`add element ${table} ${g(name)} { ${[...(elements.get(name) ?? [])].join(', ')} }`]
      : []),
  ]);
  return `${lines.join('\n')}\n`;
}

const LET_THROUGH = `counter name ${PROBE_COUNTER} ${CLEAR} accept`;

function lastOf(prefix: string): string {
  const { family, last } = prefixRange(parsePrefix(prefix));
  return formatAddress({ family, value: last });
}
