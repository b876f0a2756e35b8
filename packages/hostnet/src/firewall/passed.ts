import { probeSources } from './probe-rules.ts';
import { type FirewallOptions, tableName } from './ruleset.ts';

/** Name of the table that records datagrams of probes after all other rules. It exists only for moments. */
export function passedTable(interfaceName: string): string {
  return `${tableName(interfaceName)}_passed`;
}

/**
 * Returns the text of a transaction that records which probe datagrams reach the last hook of this host, and drops
 * them there. So a resource never sees a probe and need not answer. The connection gives the original destination,
 * even after address translation.
 */
export function notePassedText({ interface: name, overlay }: Pick<FirewallOptions, 'interface' | 'overlay'>): string {
  const table = `inet ${passedTable(name)}`;
  const { v4, v6 } = probeSources(overlay);
  const probe = 'meta l4proto udp ct direction original ct original';
  const rules = [
    `${probe} ip saddr ${v4} update @passed4 { ct original ip daddr . ct original proto-dst } drop`,
    `${probe} ip6 saddr ${v6} update @passed6 { ct original ip6 daddr . ct original proto-dst } drop`,
  ];
  const lines = [
    `add table ${table}`,
    `delete table ${table}`,
    `add table ${table}`,
    `add set ${table} passed4 { type ipv4_addr . inet_service; size 1024; flags dynamic,timeout; timeout 15s; }`,
    `add set ${table} passed6 { type ipv6_addr . inet_service; size 1024; flags dynamic,timeout; timeout 15s; }`,
    ...['input', 'postrouting'].flatMap((hook) => [
      `add chain ${table} ${hook} { type filter hook ${hook} priority ${BEHIND_ALL}; }`,
      ...rules.map((rule) => `add rule ${table} ${hook} ${rule}`),
    ]),
  ];
  return lines.map((line) => `${line}\n`).join('');
}

/** Returns the text of a transaction that removes the table, whether or not it exists. */
export function forgetPassedText(interfaceName: string): string {
  const table = `inet ${passedTable(interfaceName)}`;
  return `add table ${table}\ndelete table ${table}\n`;
}

/** A hook priority behind all other chains. Only the kernel's own handling of a connection runs later. */
const BEHIND_ALL = 2_147_483_000;
