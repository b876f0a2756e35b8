import { tableName } from '../firewall/ruleset.ts';

/**
 * The table that forwards WireGuard transport data (paper section 5.4.6: type 4, then three zero bytes) between learned
 * ends, without connection tracking. A datagram is known by where it comes from and where it arrives; that gives a number,
 * kept in its mark, under which everything else about its way is found. So the cost does not depend on how many pairs there are.
 *
 * Destination and port are rewritten before routing. The source is rewritten behind it: an own address as source of a packet that
 * arrives would be taken for a forgery.
 */
export function relayTable(interfaceName: string): string {
  return `inet ${relayTableName(interfaceName)}`;
}

/** Of a gateway's own, for a host may have several. */
export function relayTableName(interfaceName: string): string {
  return tableName(interfaceName).replace('_', '-relay_');
}

/** Maps of the relay's table, with their nft types. */
export const RELAY_MAPS = [
  { name: 'ways4', type: 'ipv4_addr . inet_service . ipv4_addr . inet_service : mark', timed: true },
  { name: 'ways6', type: 'ipv6_addr . inet_service . ipv6_addr . inet_service : mark', timed: true },
  { name: 'limits', type: 'mark : limit', timed: false },
  { name: 'counts', type: 'mark : counter', timed: false },
  { name: 'to_address4', type: 'mark : ipv4_addr', timed: false },
  { name: 'to_address6', type: 'mark : ipv6_addr', timed: false },
  { name: 'to_port', type: 'mark : inet_service', timed: false },
  { name: 'from_address4', type: 'mark : ipv4_addr', timed: false },
  { name: 'from_address6', type: 'mark : ipv6_addr', timed: false },
  { name: 'from_port', type: 'mark : inet_service', timed: false },
] as const;
/** Name of a map of the relay's table. */
export type RelayMapName = (typeof RELAY_MAPS)[number]['name'];

/** Marks of relayed packets: this, the port shifted by one, and the side that it comes from. */
export const RELAY_MARK = 0x50000000;

/** Makes the table without elements; changes nothing in one that is there but its rules, which are written anew. */
export function relayRuleset(table: string): string {
  const lines = [`add table ${table}`];
  for (const { name, type, timed } of RELAY_MAPS) {
    lines.push(`add map ${table} ${name} { type ${type};${timed ? ' flags timeout;' : ''} }`);
  }
  for (const { name, hook } of RELAY_CHAINS) {
    lines.push(`add chain ${table} ${name}${hook}`, `flush chain ${table} ${name}`);
  }
  for (const { name, rules } of RELAY_CHAINS) {
    for (const rule of rules) lines.push(`add rule ${table} ${name} ${rule}`);
  }
  return lines.map((line) => `${line}\n`).join('');
}

const TRANSPORT = '@th,64,32 0x04000000';
const RELAYED = 'meta mark & 0xf0000000 == 0x50000000';

const RELAY_CHAINS: readonly { readonly name: string; readonly hook: string; readonly rules: readonly string[] }[] = [
  {
    name: 'way4',
    hook: '',
    rules: [
      'limit name meta mark map @limits drop',
      'counter name meta mark map @counts',
      'ip daddr set meta mark map @to_address4 udp dport set meta mark map @to_port notrack accept',
    ],
  },
  {
    name: 'way6',
    hook: '',
    rules: [
      'limit name meta mark map @limits drop',
      'counter name meta mark map @counts',
      'ip6 daddr set meta mark map @to_address6 udp dport set meta mark map @to_port notrack accept',
    ],
  },
  {
    name: 'arriving',
    hook: ' { type filter hook prerouting priority raw; policy accept; }',
    rules: [
      `meta l4proto udp ${TRANSPORT} meta mark set ip saddr . udp sport . ip daddr . udp dport map @ways4 goto way4`,
      `meta l4proto udp ${TRANSPORT} meta mark set ip6 saddr . udp sport . ip6 daddr . udp dport map @ways6 goto way6`,
    ],
  },
  {
    name: 'leaving',
    hook: ' { type filter hook postrouting priority raw; policy accept; }',
    rules: [
      `${RELAYED} ip saddr set meta mark map @from_address4 udp sport set meta mark map @from_port accept`,
      `${RELAYED} ip6 saddr set meta mark map @from_address6 udp sport set meta mark map @from_port accept`,
    ],
  },
];

/** Rules of each chain, as many as must be there. */
export const RELAY_RULE_COUNTS: ReadonlyMap<string, number> = new Map(
  RELAY_CHAINS.map(({ name, rules }) => [name, rules.length]),
);
