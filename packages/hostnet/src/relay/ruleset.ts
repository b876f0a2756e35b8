import { tableName } from '../firewall/ruleset.ts';

/**
 * The table that forwards WireGuard transport data (paper section 5.4.6: type 4, then three zero bytes) between
 * learned ends, without connection tracking. The source and the arrival port of a datagram identify it. They lead to a
 * number that the mark holds, and that number finds everything else. So the cost does not depend on the number of
 * pairs.
 *
 * The table rewrites destination and port before routing. It rewrites the source after routing, because the kernel
 * treats an arriving packet with an own source address as a forgery.
 */
export function relayTable(interfaceName: string): string {
  return `inet ${relayTableName(interfaceName)}`;
}

/** Returns the table name of a gateway, because a host may have several gateways. */
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

/** Marks of relayed packets: this value, the port shifted by one, and the side that sent the packet. */
export const RELAY_MARK = 0x50000000;

/** Returns text that creates the table without elements. In an existing table it only rewrites the rules. */
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

/** The expected number of rules in each chain. */
export const RELAY_RULE_COUNTS: ReadonlyMap<string, number> = new Map(
  RELAY_CHAINS.map(({ name, rules }) => [name, rules.length]),
);
