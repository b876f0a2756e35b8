import { probeSources } from './probe-rules.ts';
import { type FirewallOptions, tableName } from './ruleset.ts';

/** Name of the table that notes datagrams of probes behind everybody's rules; it is there for moments. */
export function passedTable(interfaceName: string): string {
  return `${tableName(interfaceName)}_passed`;
}

/**
 * Text of a transaction that notes which datagrams of probes come to the end of the way through this host, and ends them there.
 * So a resource never sees one, and need not answer. The connection tells what they were sent to, whoever translated them.
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

/** Text of a transaction that removes the table, whether or not it exists. */
export function forgetPassedText(interfaceName: string): string {
  const table = `inet ${passedTable(interfaceName)}`;
  return `add table ${table}\ndelete table ${table}\n`;
}

/** Only what the kernel itself does with a connection comes later. */
const BEHIND_ALL = 2_147_483_000;
