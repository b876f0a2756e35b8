import { HostNetError } from '../errors.ts';
import { formatNetwork, parsePrefix } from '../ip.ts';
import { CHECKED_MARK, classText, ICMP_PORT_CLASS, markText, OTHER_PORT_CLASS, START_MARK } from './registers.ts';

/** What the table is built around; it does not change while the tunnel exists. */
export interface FirewallOptions {
  /** Name of the tunnel interface, at most 15 characters. */
  readonly interface: string;
  /** Whole overlay, CIDR per family: such sources are dropped on any other interface. */
  readonly overlay: { readonly v4: string; readonly v6: string };
  /** Flows that one device address may have open at a time; 4096 if not given. */
  readonly flowsPerAddress?: number;
}

export interface FirewallSettings {
  readonly masquerade: boolean;
  readonly draining: boolean;
}

/** Why packets were dropped. The counter is called `drop_` and this, since `limit` is a word of nft's own. */
export const DROP_COUNTERS = ['spoofed', 'denied_in', 'denied_out', 'invalid', 'limit'] as const;
export type DropCounter = (typeof DROP_COUNTERS)[number];

export const MAPS = [
  { name: 'devices4', type: 'ipv4_addr : mark', flags: 'timeout' },
  { name: 'devices6', type: 'ipv6_addr : mark', flags: 'timeout' },
  { name: 'classes4', type: 'ipv4_addr : classid', flags: 'interval' },
  { name: 'classes6', type: 'ipv6_addr : classid', flags: 'interval' },
  { name: 'cells', type: 'mark . classid : mark', flags: 'timeout' },
  { name: 'tcp_ports', type: 'inet_service : classid', flags: 'interval' },
  { name: 'udp_ports', type: 'inet_service : classid', flags: 'interval' },
  { name: 'allowed', type: 'mark . classid : counter', flags: null },
] as const;
export type MapName = (typeof MAPS)[number]['name'] | 'lease';
export const MAP_NAMES: readonly MapName[] = [...MAPS.map(({ name }) => name), 'lease'];

/** Chains whose rules depend on settings, and those rules. */
export const SWITCHED_CHAINS = ['admitted', 'nat'] as const;

/** Name of the table of a tunnel interface. Throws `invalid-state` on a name that an interface or nft cannot have. */
export function tableName(interfaceName: string): string {
  if (!/^[A-Za-z][A-Za-z0-9_.-]{0,14}$/.test(interfaceName)) {
    throw new HostNetError('invalid-state', `not a usable interface name: ${JSON.stringify(interfaceName)}`);
  }
  return `sallyport_${interfaceName}`;
}

/** Everything of the table but elements and policy counters, as nft commands, one a line. */
export function skeleton(options: FirewallOptions, settings: FirewallSettings): string[] {
  const table = `inet ${tableName(options.interface)}`;
  const lines = MAPS.map(({ name, type, flags }) => {
    return `add map ${table} ${name} { type ${type};${flags ? ` flags ${flags};` : ''} }`;
  });
  lines.push(`add set ${table} lease { type mark; flags timeout; }`);
  lines.push(`add set ${table} flows4 { type ipv4_addr; size 65535; flags dynamic; }`);
  lines.push(`add set ${table} flows6 { type ipv6_addr; size 65535; flags dynamic; }`);
  const chains = allChains(options, settings);
  for (const [name, { hook }] of Object.entries(chains)) lines.push(`add chain ${table} ${name}${hook}`);
  for (const [name, { rules }] of Object.entries(chains)) {
    for (const rule of rules) lines.push(`add rule ${table} ${name} ${rule}`);
  }
  return lines;
}

/** The chains that differ between two settings, emptied and filled again. */
export function switchSettings(options: FirewallOptions, before: FirewallSettings, after: FirewallSettings): string[] {
  const table = `inet ${tableName(options.interface)}`;
  const was = allChains(options, before);
  const is = allChains(options, after);
  return SWITCHED_CHAINS.filter((name) => was[name].rules.join('\n') !== is[name].rules.join('\n')).flatMap((name) => [
    `flush chain ${table} ${name}`,
    ...is[name].rules.map((rule) => `add rule ${table} ${name} ${rule}`),
  ]);
}

/** Number of rules in each chain, to compare with what the kernel has. */
export function ruleCounts(options: FirewallOptions, settings: FirewallSettings): ReadonlyMap<string, number> {
  return new Map(Object.entries(allChains(options, settings)).map(([name, chain]) => [name, chain.rules.length]));
}

interface Chain {
  readonly hook: string;
  readonly rules: readonly string[];
}

type ChainName =
  | (typeof SWITCHED_CHAINS)[number]
  | 'broken'
  | 'icmp_error'
  | 'from_tunnel'
  | 'to_tunnel'
  | 'guard'
  | 'checked'
  | 'input'
  | 'forward'
  | 'output';

const CLEAR = 'meta mark set 0x00000000 meta priority set 0:0';
const CLAMP = 'tcp flags & (syn | rst) == syn tcp option maxseg size set rt mtu';

/** In an order in which every chain is known before another one names it. */
function allChains(options: FirewallOptions, settings: FirewallSettings): Record<ChainName, Chain> {
  const tunnel = `"${options.interface}"`;
  return {
    broken: { hook: '', rules: ['counter name drop_invalid drop'] },
    icmp_error: { hook: '', rules: icmpErrorRules() },
    admitted: { hook: '', rules: admittedRules(options.flowsPerAddress ?? 4096, settings.draining) },
    from_tunnel: { hook: '', rules: fromTunnelRules(tunnel) },
    to_tunnel: { hook: '', rules: toTunnelRules() },
    guard: { hook: base('filter', 'prerouting', 'raw'), rules: guardRules(tunnel, options.overlay) },
    // Behind mangle, so that a foreign rule which restores marks from conntrack cannot wipe the bit out.
    checked: {
      hook: base('filter', 'prerouting', 'dstnat - 1'),
      rules: [`iifname ${tunnel} meta mark set meta mark | ${markText(CHECKED_MARK)}`],
    },
    input: { hook: base('filter', 'input', 'filter'), rules: [`iifname ${tunnel} goto from_tunnel`] },
    // The maximum segment size is clamped here and not behind the checks: `rt` is not allowed where input can come by.
    forward: {
      hook: base('filter', 'forward', 'filter'),
      rules: [
        `iifname ${tunnel} ${CLAMP}`,
        `oifname ${tunnel} ${CLAMP}`,
        `iifname ${tunnel} goto from_tunnel`,
        `oifname ${tunnel} goto to_tunnel`,
      ],
    },
    output: { hook: base('filter', 'output', 'filter'), rules: [`oifname ${tunnel} goto to_tunnel`] },
    nat: {
      hook: base('nat', 'postrouting', 'srcnat'),
      rules: settings.masquerade ? [`iifname ${tunnel} oifname != ${tunnel} masquerade`] : [],
    },
  };
}

/** Policy accept everywhere: only packets of the tunnel and of the overlay are ever dropped. */
function base(type: string, hook: string, priority: string): string {
  return ` { type ${type} hook ${hook} priority ${priority}; policy accept; }`;
}

function guardRules(tunnel: string, overlay: FirewallOptions['overlay']): string[] {
  const elsewhere = `iifname != ${tunnel} iifname != "lo" counter name drop_spoofed drop`;
  return [
    `ip saddr ${formatNetwork(parsePrefix(overlay.v4))} ${elsewhere}`,
    `ip6 saddr ${formatNetwork(parsePrefix(overlay.v6))} ${elsewhere}`,
  ];
}

/** Original direction: the device is the source. In the input hook there is no outgoing interface to compare. */
function fromTunnelRules(tunnel: string): string[] {
  const denied = 'counter name drop_denied_in drop';
  return [
    `oifname ${tunnel} ${denied}`,
    ...deviceRules('saddr', denied),
    `ct direction reply ${denied}`,
    ...grantRules('daddr', 'dport', 'echo-request'),
    `counter name meta mark . meta priority map @allowed ${CLEAR} goto admitted`,
    denied,
  ];
}

/** Reply direction: the same grants with source and destination turned round. */
function toTunnelRules(): string[] {
  const denied = 'counter name drop_denied_out drop';
  return [
    ...deviceRules('daddr', denied),
    `ct direction original ${denied}`,
    ...grantRules('saddr', 'sport', 'echo-reply'),
    `counter name meta mark . meta priority map @allowed ${CLEAR} accept`,
    denied,
  ];
}

/** Both registers start from values that no later look-up knows; the lease must run and the device be admitted. */
function deviceRules(address: 'saddr' | 'daddr', denied: string): string[] {
  return [
    `meta mark set ${markText(START_MARK)} meta priority set 0:0`,
    `meta mark != @lease ${denied}`,
    `meta mark set ip ${address} map @devices4`,
    `meta mark set ip6 ${address} map @devices6`,
    `meta mark ${markText(START_MARK)} ${denied}`,
    'ct state vmap { invalid : goto broken, related : jump icmp_error }',
  ];
}

function grantRules(address: 'saddr' | 'daddr', port: 'sport' | 'dport', echo: string): string[] {
  return [
    `meta priority set ip ${address} map @classes4`,
    `meta priority set ip6 ${address} map @classes6`,
    'meta mark set meta mark . meta priority map @cells',
    `meta priority set tcp ${port} map @tcp_ports`,
    `meta priority set udp ${port} map @udp_ports`,
    `icmp type ${echo} meta priority set ${classText(ICMP_PORT_CLASS)}`,
    `icmpv6 type ${echo} meta priority set ${classText(ICMP_PORT_CLASS)}`,
    `meta l4proto != { icmp, tcp, udp, ipv6-icmp } meta priority set ${classText(OTHER_PORT_CLASS)}`,
  ];
}

/** Errors about a flow of an admitted device. What connection helpers expect is related too, and goes on to the grants. */
function icmpErrorRules(): string[] {
  return [
    `icmp type { destination-unreachable, time-exceeded, parameter-problem } ${CLEAR} accept`,
    `icmpv6 type { destination-unreachable, packet-too-big, time-exceeded, parameter-problem } ${CLEAR} accept`,
  ];
}

/** Flows that already go on cost one comparison here; the rest is for the first packets of a flow. */
function admittedRules(flowsPerAddress: number, draining: boolean): string[] {
  if (!Number.isInteger(flowsPerAddress) || flowsPerAddress < 1) {
    throw new HostNetError('invalid-state', 'flowsPerAddress must be a positive integer');
  }
  const over = `ct count over ${flowsPerAddress} } counter name drop_limit drop`;
  return [
    'ct state != new accept',
    ...(draining ? ['reject with icmpx admin-prohibited'] : []),
    `add @flows4 { ip saddr ${over}`,
    `add @flows6 { ip6 saddr ${over}`,
    'accept',
  ];
}
