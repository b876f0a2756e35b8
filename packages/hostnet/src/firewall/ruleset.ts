import { HostNetError } from '../errors.ts';
import type { Transit } from '../types.ts';
import { guardRules, pretendingRules, strayRules } from './member-rules.ts';
import {
  egressErrorRules,
  egressInRules,
  egressOutRules,
  forwardRules,
  livenessInput,
  livenessOutput,
} from './path-rules.ts';
import { PROBE_SETS, probesIn, probesOut } from './probe-rules.ts';
import {
  BUNDLE_BASE,
  CHECKED_MARK,
  classText,
  ICMP_PORT_CLASS,
  markText,
  OTHER_PORT_CLASS,
  PROFILE_BASE,
  SPACE_MASK,
  START_MARK,
} from './registers.ts';
import { CLEAR, DENIED_IN, DENIED_OUT, fromGateways, type Name, network, startRules } from './rule-text.ts';
import { OPEN_TRANSIT, transitRules } from './transit.ts';

/** What the table is built around; it does not change while the tunnel exists. */
export interface FirewallOptions {
  /** Name of the tunnel interface, at most 15 characters. */
  readonly interface: string;
  /** Whole overlay, CIDR per family: members' addresses are dropped as sources on any other interface. */
  readonly overlay: { readonly v4: string; readonly v6: string };
  /** Flows that one device address may have open at a time; 4096 if not given. */
  readonly flowsPerAddress?: number;
}

export interface FirewallSettings {
  readonly masquerade: boolean;
  readonly draining: boolean;
  readonly transit?: Transit;
}

/** Why packets were dropped. The counter is called `drop_` and this, since `limit` is a word of nft's own. */
export const DROP_COUNTERS = ['spoofed', 'denied_in', 'denied_out', 'invalid', 'limit', 'transit'] as const;
export type DropCounter = (typeof DROP_COUNTERS)[number];

/** The bundle of a cell, and those that are looked up in turn when it has expired. */
export const CELL_MAPS = ['cells', 'cells_after1', 'cells_after2', 'cells_after3'] as const;

export const MAPS = [
  { name: 'devices4', type: 'ipv4_addr : mark', flags: 'timeout' },
  { name: 'devices6', type: 'ipv6_addr : mark', flags: 'timeout' },
  { name: 'sites4', type: 'ipv4_addr : mark', flags: 'interval' },
  { name: 'sites6', type: 'ipv6_addr : mark', flags: 'interval' },
  { name: 'site_profiles', type: 'mark : mark', flags: 'timeout' },
  { name: 'classes4', type: 'ipv4_addr : classid', flags: 'interval' },
  { name: 'classes6', type: 'ipv6_addr : classid', flags: 'interval' },
  ...CELL_MAPS.map((name) => ({ name, type: 'mark . classid : mark', flags: 'timeout' }) as const),
  { name: 'tcp_ports', type: 'inet_service : classid', flags: 'interval' },
  { name: 'udp_ports', type: 'inet_service : classid', flags: 'interval' },
  { name: 'allowed', type: 'mark . classid : counter', flags: null },
  { name: 'egress_sources4', type: 'ipv4_addr : mark', flags: 'interval' },
  { name: 'egress_sources6', type: 'ipv6_addr : mark', flags: 'interval' },
  { name: 'egress_destinations4', type: 'ipv4_addr : classid', flags: 'interval' },
  { name: 'egress_destinations6', type: 'ipv6_addr : classid', flags: 'interval' },
] as const;
/** Sets of which the elements come from the state; the kernel fills the others itself. */
export const SET_NAMES = ['egress_pairs', 'lease', 'gateways4', 'gateways6', 'internet'] as const;
export type MapName = (typeof MAPS)[number]['name'] | (typeof SET_NAMES)[number];
export const MAP_NAMES: readonly MapName[] = [...MAPS.map(({ name }) => name), ...SET_NAMES];

/** The lease is one element whose timeout is its end; so it costs one element to renew it. */
export const GENERATED_SETS = [
  { name: 'egress_pairs', spec: 'type mark . classid; flags timeout;' },
  { name: 'lease', spec: 'type mark; flags timeout;' },
  { name: 'gateways4', spec: 'type ipv4_addr; flags timeout;' },
  { name: 'gateways6', spec: 'type ipv6_addr; flags timeout;' },
  { name: 'internet', spec: 'type classid;' },
  { name: 'flows4', spec: 'type ipv4_addr; size 65535; flags dynamic;' },
  { name: 'flows6', spec: 'type ipv6_addr; size 65535; flags dynamic;' },
  { name: 'live4', spec: 'type ipv4_addr; size 65535; flags dynamic,timeout; timeout 10s;' },
  { name: 'live6', spec: 'type ipv6_addr; size 65535; flags dynamic,timeout; timeout 10s;' },
  { name: 'echo4', spec: 'type ipv4_addr; size 65535; flags dynamic,timeout; timeout 10s;' },
  { name: 'echo6', spec: 'type ipv6_addr; size 65535; flags dynamic,timeout; timeout 10s;' },
  ...PROBE_SETS,
] as const;

/** Letter at the end of the names of all maps, sets and regular chains that were loaded together. */
export type Generation = 'a' | 'b' | 'c';

export function generated(name: string, generation: Generation): string {
  return `${name}_${generation}`;
}

/** Name of the table of a tunnel interface. Throws `invalid-state` on a name that an interface or nft cannot have. */
export function tableName(interfaceName: string): string {
  if (!/^[A-Za-z][A-Za-z0-9_.-]{0,14}$/.test(interfaceName)) {
    throw new HostNetError('invalid-state', `not a usable interface name: ${JSON.stringify(interfaceName)}`);
  }
  return `sallyport_${interfaceName}`;
}

export interface Chain {
  readonly name: string;
  /** Hook and policy of a base chain as nft text, else empty. */
  readonly hook: string;
  readonly rules: readonly string[];
}

export type Ruleset = readonly Chain[];

/** The chains that differ between two settings, emptied and filled again. */
export function switchSettings(
  options: FirewallOptions,
  generation: Generation,
  before: FirewallSettings,
  after: FirewallSettings,
): string[] {
  const table = `inet ${tableName(options.interface)}`;
  const was = ruleset(options, before, generation);
  return ruleset(options, after, generation)
    .filter(({ rules }, index) => rules.join('\n') !== was[index]?.rules.join('\n'))
    .flatMap(({ name, rules }) => [
      `flush chain ${table} ${name}`,
      ...rules.map((rule) => `add rule ${table} ${name} ${rule}`),
    ]);
}

/** All chains, in an order in which each is known before another one names it. */
export function ruleset(options: FirewallOptions, settings: FirewallSettings, generation: Generation): Ruleset {
  const tunnel = `"${options.interface}"`;
  const g = (name: string): string => generated(name, generation);
  return [
    { name: g('broken'), hook: '', rules: ['counter name drop_invalid drop'] },
    { name: g('icmp_from_tunnel'), hook: '', rules: icmpFromTunnelRules(options.overlay) },
    { name: g('icmp_to_tunnel'), hook: '', rules: icmpToTunnelRules() },
    { name: g('successors'), hook: '', rules: successorRules(g) },
    { name: g('admitted'), hook: '', rules: admittedRules(g, options.flowsPerAddress ?? 4096, settings.draining) },
    {
      name: g('from_site'),
      hook: '',
      rules: [...probesIn(g, options.overlay), ...siteRules(g, 'saddr', DENIED_IN)],
    },
    {
      name: g('to_site'),
      hook: '',
      rules: [...probesOut(g, options.overlay), ...siteRules(g, 'daddr', DENIED_OUT)],
    },
    { name: g('from_tunnel'), hook: '', rules: fromTunnelRules(g, tunnel, options.overlay) },
    { name: g('to_host'), hook: '', rules: toHostRules(g) },
    { name: g('to_tunnel'), hook: '', rules: toTunnelRules(g) },
    { name: g('turned'), hook: '', rules: turnedRules(g) },
    { name: g('egress_errors'), hook: '', rules: egressErrorRules(g) },
    { name: g('egress_in'), hook: '', rules: egressInRules(g) },
    { name: g('egress_out'), hook: '', rules: egressOutRules(g, tunnel) },
    { name: g('pretending'), hook: '', rules: pretendingRules(g, options.overlay) },
    { name: 'guard', hook: base('filter', 'prerouting', 'raw'), rules: guardRules(g, tunnel, options.overlay) },
    // Behind mangle, so that a foreign rule which restores marks from conntrack cannot wipe the bit out.
    {
      name: 'checked',
      hook: base('filter', 'prerouting', 'dstnat - 1'),
      rules: [`iifname ${tunnel} ${CHECKED}`],
    },
    // The kernel's reverse path filter looks packets up as if they came from where they go. So what goes into the tunnel meets
    // the policy rule that prohibits unmarked packets from it. Only now is it known where answers to masqueraded flows go.
    {
      name: 'returning',
      hook: base('filter', 'prerouting', 'dstnat + 1'),
      rules: [`meta nfproto ipv4 iifname != { ${tunnel}, "lo" } fib daddr oifname ${tunnel} ${CHECKED}`],
    },
    {
      name: 'input',
      hook: base('filter', 'input', 'filter'),
      rules: [...livenessInput(g, tunnel, options.overlay), `iifname ${tunnel} goto ${g('to_host')}`],
    },
    // The maximum segment size is clamped here and not behind the checks: `rt` is not allowed where input can come by. For
    // the like reason `fib` is asked in a chain that nothing but this one goes to.
    {
      name: 'forward',
      hook: base('filter', 'forward', 'filter'),
      rules: [
        `iifname ${tunnel} ${CLAMP}`,
        `oifname ${tunnel} ${CLAMP}`,
        ...strayRules(g, tunnel, options.overlay),
        ...forwardRules(g, tunnel),
        ...transitRules(settings.transit ?? OPEN_TRANSIT),
      ],
    },
    {
      name: 'output',
      hook: base('filter', 'output', 'filter'),
      rules: [...livenessOutput(tunnel, options.overlay), `oifname ${tunnel} goto ${g('to_tunnel')}`],
    },
    // What our chains let through has its mark cleared. So if one of them is emptied by others, its packets end here.
    ...(['input', 'forward'] as const).map((hook) => ({
      name: `${hook}_backstop`,
      hook: base('filter', hook, 'filter + 1'),
      rules: [`iifname ${tunnel} meta mark & ${markText(CHECKED_MARK)} != 0 counter name drop_denied_in drop`],
    })),
    {
      name: 'nat',
      hook: base('nat', 'postrouting', 'srcnat'),
      rules: settings.masquerade ? [`iifname ${tunnel} oifname != ${tunnel} masquerade`] : [],
    },
  ];
}

const CLAMP = 'tcp flags & (syn | rst) == syn tcp option maxseg size set rt mtu';

const CHECKED = `meta mark set meta mark | ${markText(CHECKED_MARK)}`;

/** Policy accept everywhere: dropped are packets of the tunnel and of the overlay, and what only we let this host forward. */
function base(type: string, hook: string, priority: string): string {
  return ` { type ${type} hook ${hook} priority ${priority}; policy accept; }`;
}

/**
 * Original direction: the device is the source. What turns round in the tunnel is for another gateway to pass on, never for
 * another device.
 */
function fromTunnelRules(g: Name, tunnel: string, overlay: FirewallOptions['overlay']): string[] {
  return [
    `oifname ${tunnel} ip daddr ${network(overlay.v4)} ${DENIED_IN}`,
    `oifname ${tunnel} ip6 daddr ${network(overlay.v6)} ${DENIED_IN}`,
    ...deviceRules(g, 'saddr', DENIED_IN, 'from_site'),
    `ct direction reply ${DENIED_IN}`,
    ...cellRules(g, 'daddr'),
    ...grantedRequests(g),
  ];
}

/** The same for what is meant for this host: its own addresses are not the internet, whichever they are at the moment. */
function toHostRules(g: Name): string[] {
  return [
    ...deviceRules(g, 'saddr', DENIED_IN, 'from_site'),
    `ct direction reply ${DENIED_IN}`,
    ...cellRules(g, 'daddr'),
    `meta priority @${g('internet')} ${DENIED_IN}`,
    ...grantedRequests(g),
  ];
}

function grantedRequests(g: Name): string[] {
  return [
    `ct state vmap { related : jump ${g('icmp_from_tunnel')} }`,
    ...portRules(g, 'dport', 'echo-request'),
    `counter name meta mark . meta priority map @${g('allowed')} ${CLEAR} goto ${g('admitted')}`,
    DENIED_IN,
  ];
}

/**
 * Reply direction: the same grants with source and destination turned round. The packets come from this host or its network,
 * where any router may send errors.
 */
function toTunnelRules(g: Name): string[] {
  return [
    ...deviceRules(g, 'daddr', DENIED_OUT, 'to_site'),
    `ct state vmap { related : jump ${g('icmp_to_tunnel')} }`,
    `ct direction original ${DENIED_OUT}`,
    ...cellRules(g, 'saddr'),
    ...grantedReplies(g),
  ];
}

/**
 * The same for replies that turn round in the tunnel. Anybody in it could send an error about the flow of another one, so
 * only gateways are believed, and those that the device may reach.
 */
function turnedRules(g: Name): string[] {
  return [
    ...deviceRules(g, 'daddr', DENIED_OUT, 'to_site'),
    ...fromGateways(g, 'icmp_to_tunnel'),
    ...cellRules(g, 'saddr'),
    `meta mark >= ${markText(BUNDLE_BASE)} ct state related jump ${g('icmp_to_tunnel')}`,
    ...grantedReplies(g),
  ];
}

function grantedReplies(g: Name): string[] {
  return [
    ...portRules(g, 'sport', 'echo-reply'),
    `counter name meta mark . meta priority map @${g('allowed')} ${CLEAR} accept`,
    DENIED_OUT,
  ];
}

/**
 * The device, or the site that the address belongs to, must be admitted. What somebody's rules keep from being tracked has
 * no direction, so it could pass for a reply.
 */
function deviceRules(g: Name, address: 'saddr' | 'daddr', denied: string, site: 'from_site' | 'to_site'): string[] {
  return [
    ...startRules(g, denied),
    `meta mark set ip ${address} map @${g('devices4')}`,
    `meta mark set ip6 ${address} map @${g('devices6')}`,
    `meta mark ${markText(START_MARK)} jump ${g(site)}`,
    `ct state vmap { invalid : goto ${g('broken')}, untracked : goto ${g('broken')} }`,
  ];
}

/** Only for addresses that no device has. What has led to no profile ends here. */
function siteRules(g: Name, address: 'saddr' | 'daddr', denied: string): string[] {
  return [
    `meta mark set ip ${address} map @${g('sites4')}`,
    `meta mark set ip6 ${address} map @${g('sites6')}`,
    `meta mark set meta mark map @${g('site_profiles')}`,
    `meta mark & ${markText(SPACE_MASK)} != ${markText(PROFILE_BASE)} ${denied}`,
  ];
}

function cellRules(g: Name, address: 'saddr' | 'daddr'): string[] {
  return [
    `meta priority set ip ${address} map @${g('classes4')}`,
    `meta priority set ip6 ${address} map @${g('classes6')}`,
    `meta mark set meta mark . meta priority map @${g('cells')}`,
    `meta mark & ${markText(SPACE_MASK)} == ${markText(PROFILE_BASE)} jump ${g('successors')}`,
  ];
}

/** For packets whose cell is missing or has expired. A bundle's mark is no key of a cell, so the first bundle found stays. */
function successorRules(g: Name): string[] {
  return CELL_MAPS.slice(1).map((name) => `meta mark set meta mark . meta priority map @${g(name)}`);
}

function portRules(g: Name, port: 'sport' | 'dport', echo: string): string[] {
  return [
    `meta priority set tcp ${port} map @${g('tcp_ports')}`,
    `meta priority set udp ${port} map @${g('udp_ports')}`,
    `icmp type ${echo} meta priority set ${classText(ICMP_PORT_CLASS)}`,
    `icmpv6 type ${echo} meta priority set ${classText(ICMP_PORT_CLASS)}`,
    `meta l4proto != { 1, 6, 17, 58 } meta priority set ${classText(OTHER_PORT_CLASS)}`,
  ];
}

/**
 * An error is related to whatever flow it quotes, be it one of the gateway host or of its network. So a device's errors
 * go only where it may send something anyway, and only about flows that came out of the tunnel. They say "unreachable"
 * and nothing else: a device hands nothing on, so it has no path whose packets could be too big, and belief in such a
 * size would slow down everybody.
 */
function icmpFromTunnelRules(overlay: FirewallOptions['overlay']): string[] {
  const granted = `meta mark >= ${markText(BUNDLE_BASE)}`;
  return [
    `${granted} ct original ip saddr ${network(overlay.v4)} icmp type destination-unreachable icmp code != 4 ${CLEAR} accept`,
    `${granted} ct original ip6 saddr ${network(overlay.v6)} icmpv6 type destination-unreachable ${CLEAR} accept`,
  ];
}

/** Errors about a flow of an admitted device. What connection helpers expect is related too, and goes on to the grants. */
function icmpToTunnelRules(): string[] {
  return [
    `icmp type { destination-unreachable, time-exceeded, parameter-problem } ${CLEAR} accept`,
    `icmpv6 type { destination-unreachable, packet-too-big, time-exceeded, parameter-problem } ${CLEAR} accept`,
  ];
}

/** Flows that already go on cost one comparison here; the rest is for the first packets of a flow. */
function admittedRules(g: Name, flowsPerAddress: number, draining: boolean): string[] {
  if (!Number.isInteger(flowsPerAddress) || flowsPerAddress < 1) {
    throw new HostNetError('invalid-state', 'flowsPerAddress must be a positive integer');
  }
  const over = `ct count over ${flowsPerAddress} } counter name drop_limit drop`;
  return [
    'ct state != new accept',
    ...(draining ? ['reject with icmpx admin-prohibited'] : []),
    `add @${g('flows4')} { ip saddr ${over}`,
    `add @${g('flows6')} { ip6 saddr ${over}`,
    'accept',
  ];
}
