import { HostNetError } from '../errors.ts';
import type { FirewallState, Transit } from '../types.ts';
import {
  admittedRules,
  fromHostRules,
  fromTunnelRules,
  grantChains,
  icmpFromTunnelRules,
  icmpToTunnelRules,
  siteRules,
  successorRules,
  toHostRules,
  toTunnelRules,
  turnedRules,
  turningRules,
  unusualRules,
  unusualTurnedRules,
} from './grant-rules.ts';
import { markingRules, outOfTunnelRules, toMembersRules } from './marking-rules.ts';
import { guardRules, pretendingRules, strayRules } from './member-rules.ts';
import { nameRules, noNames } from './name-rules.ts';
import {
  egressErrorRules,
  egressInRules,
  egressOutRules,
  forwardRules,
  fromNetworkRules,
  livenessRules,
} from './path-rules.ts';
import { PROBE_SETS, probesIn, probesOut } from './probe-rules.ts';
import { CHECKED_MARK, markText, SPACE_MASK } from './registers.ts';
import { CELL_MAPS, DENIED_IN, type Overlay } from './rule-text.ts';
import { OPEN_TRANSIT, transitRules } from './transit.ts';
import { decidedTwice, twice } from './twice.ts';
import { type Ways, wayRules } from './way-rules.ts';

/** The fixed settings of the table; they do not change while the tunnel exists. */
export interface FirewallOptions {
  /** Name of the tunnel interface, at most 15 characters. */
  readonly interface: string;
  /** The whole overlay, one CIDR for each family. On other interfaces, members' addresses are dropped as sources. */
  readonly overlay: Overlay;
  /** Number of flows that one device address may have open at a time; default 4096. */
  readonly flowsPerAddress?: number;
}

/** The settings that the chains depend on, besides the options. */
export interface FirewallSettings {
  readonly masquerade: boolean;
  readonly draining: boolean;
  readonly transit?: Transit;
  readonly ways: Ways;
  /** Whether names are translated. Absent: no rule is about names. */
  readonly names?: boolean;
}

/** Returns the part of a state that the chains depend on. `onward`: devices of some profile go on to other gateways. */
export function settingsOf(state: FirewallState, onward: boolean): FirewallSettings {
  const { masquerade, draining, transit, sites, egress } = state;
  const ways = { onward, sites: sites.size > 0, egress: egress.size > 0 };
  return { masquerade, draining, ...(transit && { transit }), ways, ...(state.names && { names: true }) };
}

/** Reasons for drops. The counter's name is `drop_` and the reason, because `limit` is a keyword of nft. */
export const DROP_COUNTERS = ['spoofed', 'denied_in', 'denied_out', 'invalid', 'limit', 'transit'] as const;

/** Returns the name of a counter of dropped packets. */
export type DropCounter = (typeof DROP_COUNTERS)[number];

/** Maps whose elements come from the state, with their nft types. */
export const MAPS = [
  { name: 'devices4', type: 'ipv4_addr : mark', flags: 'timeout' },
  { name: 'devices6', type: 'ipv6_addr : mark', flags: 'timeout' },
  { name: 'sites4', type: 'ipv4_addr : classid', flags: 'interval' },
  { name: 'sites6', type: 'ipv6_addr : classid', flags: 'interval' },
  { name: 'site_profiles', type: 'classid : mark', flags: 'timeout' },
  { name: 'site_ways', type: 'classid : mark', flags: null },
  { name: 'hosts4', type: 'ipv4_addr : classid', flags: null },
  { name: 'hosts6', type: 'ipv6_addr : classid', flags: null },
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
  { name: 'names4', type: 'ipv4_addr : ipv4_addr', flags: null },
  { name: 'names6', type: 'ipv6_addr : ipv6_addr', flags: null },
] as const;

/** Sets whose elements come from the state; the kernel fills the other sets itself. */
export const SET_NAMES = ['egress_pairs', 'ways', 'lease', 'gateways4', 'gateways6', 'internet'] as const;
/** Name of a map or set whose elements come from the state. */
export type MapName = (typeof MAPS)[number]['name'] | (typeof SET_NAMES)[number];
/** Names of all maps and sets whose elements come from the state. */
export const MAP_NAMES: readonly MapName[] = [...MAPS.map(({ name }) => name), ...SET_NAMES];

/** Sets of the table. The lease is one element with a timeout, so a renewal touches one element. */
export const GENERATED_SETS = [
  { name: 'egress_pairs', spec: 'type mark . classid; flags timeout;' },
  { name: 'ways', spec: 'type mark . classid;' },
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
  { name: 'asking4', spec: 'type ipv4_addr; size 65535; flags dynamic,timeout; timeout 10s;' },
  { name: 'asking6', spec: 'type ipv6_addr; size 65535; flags dynamic,timeout; timeout 10s;' },
  ...PROBE_SETS,
] as const;

/** Letter at the end of the names of all maps, sets and regular chains that were loaded together. */
export type Generation = 'a' | 'b' | 'c';

/** Returns the name of a map, set or chain in a generation. */
export function generated(name: string, generation: Generation): string {
  return `${name}_${generation}`;
}

/**
 * Returns the table name for a tunnel interface. Throws `invalid-state` on a name that an interface or nft cannot
 * have.
 */
export function tableName(interfaceName: string): string {
  if (!/^[A-Za-z][A-Za-z0-9_.-]{0,14}$/.test(interfaceName)) {
    throw new HostNetError('invalid-state', `not a usable interface name: ${JSON.stringify(interfaceName)}`);
  }
  return `sallyport_${interfaceName}`;
}

/** A chain and its rules, as nft text. */
export interface Chain {
  readonly name: string;
  /** Hook and policy of a base chain as nft text, else empty. */
  readonly hook: string;
  readonly rules: readonly string[];
}

/** Returns all chains of the table. */
export type Ruleset = readonly Chain[];

/**
 * Returns text that empties and refills the chains that differ between two settings. Base chains may be added or
 * removed.
 */
export function switchSettings(
  options: FirewallOptions,
  generation: Generation,
  before: FirewallSettings,
  after: FirewallSettings,
): string[] {
  const table = `inet ${tableName(options.interface)}`;
  const gone = new Map(ruleset(options, before, generation).map((chain) => [chain.name, chain]));
  const lines: string[] = [];
  for (const { name, hook, rules } of ruleset(options, after, generation)) {
    const was = gone.get(name);
    gone.delete(name);
    if (was?.rules.join('\n') === rules.join('\n')) continue;
    if (was === undefined) lines.push(`add chain ${table} ${name}${hook}`);
    lines.push(`flush chain ${table} ${name}`, ...rules.map((rule) => `add rule ${table} ${name} ${rule}`));
  }
  for (const name of gone.keys()) lines.push(`flush chain ${table} ${name}`, `delete chain ${table} ${name}`);
  return lines;
}

/** Returns all chains, in an order in which each is defined before it is referenced. */
export function ruleset(options: FirewallOptions, settings: FirewallSettings, generation: Generation): Ruleset {
  const tunnel = `"${options.interface}"`;
  const g = (name: string): string => generated(name, generation);
  const chain = (name: string, rules: readonly string[]): Chain => ({ name: g(name), hook: '', rules });
  const { overlay, flowsPerAddress = 4096 } = options;
  const ways = wayRules(g, tunnel, settings.ways);
  const names = settings.names ? nameRules(g, tunnel, overlay) : noNames;
  const deciding = {
    ...grantChains(g, ways, names),
    turned: turnedRules(g),
    turning: turningRules(g, overlay, settings.ways.onward),
    egress_in: egressInRules(g),
    egress_out: egressOutRules(g, tunnel),
    from_tunnel: fromTunnelRules(g, tunnel),
    to_host: [...names.asking, ...toHostRules(g, overlay)],
    to_tunnel: toTunnelRules(g),
    from_network: fromNetworkRules(g),
    from_host: [...names.answers, ...fromHostRules(g, overlay)],
  };
  return [
    chain('broken', ['counter name drop_invalid drop']),
    chain('icmp_from_tunnel', icmpFromTunnelRules(overlay)),
    chain('icmp_to_tunnel', icmpToTunnelRules()),
    chain('successors', successorRules(g)),
    chain('admitted', [...admittedRules(g, flowsPerAddress, settings.draining, names.unresolved)]),
    chain('from_site', [...probesIn(g, overlay), ...siteRules(g, 'saddr')]),
    chain('to_site', [...probesOut(g, overlay), ...siteRules(g, 'daddr')]),
    chain('unusual_in', unusualRules(g, 'icmp_from_tunnel')),
    chain('unusual_out', unusualRules(g, 'icmp_to_tunnel')),
    chain('unusual_turned', unusualTurnedRules(g)),
    chain('egress_errors', egressErrorRules(g)),
    chain('liveness4', livenessRules(g, 'ip')),
    chain('liveness6', livenessRules(g, 'ip6')),
    ...Object.entries(names.chains).map(([name, rules]) => chain(name, rules)),
    ...Object.entries(decidedTwice(g, deciding, ENTRIES)).map(([name, rules]) => chain(name, rules)),
    chain('clamp', [`iifname ${tunnel} ${CLAMP}`, `oifname ${tunnel} ${CLAMP}`]),
    chain('pretending', pretendingRules(g, overlay)),
    chain('to_members', toMembersRules(g, overlay)),
    chain('out_of_tunnel', outOfTunnelRules(ways.outOfTunnel)),
    ...Object.entries(ways.chains).map(([name, rules]) => chain(name, rules)),
    {
      name: 'guard',
      hook: base('filter', 'prerouting', 'raw'),
      rules: [...guardRules(g, tunnel, overlay), ...ways.guard],
    },
    {
      name: 'marking',
      hook: base('filter', 'prerouting', 'dstnat + 1'),
      rules: [...markingRules(g, tunnel, overlay, ways.outOfTunnel.length > 0), ...ways.marking],
    },
    {
      name: 'input',
      hook: base('filter', 'input', 'filter'),
      rules: [`iifname ${tunnel} goto ${g(twice('to_host'))}`],
    },
    // The maximum segment size is clamped here and not after the checks: nft rejects `rt` where input packets can
    // arrive. For the same reason the `fib` look-up is in a chain that only this one leads to.
    {
      name: 'forward',
      hook: base('filter', 'forward', 'filter'),
      rules: [
        `tcp flags & (syn | rst) == syn jump ${g('clamp')}`,
        ...forwardRules(g, tunnel),
        ...strayRules(g, overlay),
        ...transitRules(settings.transit ?? OPEN_TRANSIT),
      ],
    },
    // This hook is optional, because it costs every packet that this host sends.
    ...(ways.answering.length > 0
      ? [{ name: 'answering', hook: base('route', 'output', 'filter - 1'), rules: ways.answering }]
      : []),
    {
      name: 'output',
      hook: base('filter', 'output', 'filter'),
      rules: [`oifname ${tunnel} goto ${g(twice('from_host'))}`, ...ways.output],
    },
    // Our chains clear the mark of every packet that they accept. If another program empties one of them, its packets
    // are dropped here. They still carry the bit of an unchecked packet or a looked-up number.
    ...(['input', 'forward'] as const).map((hook) => ({
      name: `${hook}_backstop`,
      hook: base('filter', hook, 'filter + 1'),
      rules: [`meta mark & ${markText(SPACE_MASK + CHECKED_MARK)} != 0 iifname ${tunnel} ${DENIED_IN}`],
    })),
    ...(names.translation.length > 0
      ? [{ name: 'names', hook: base('nat', 'prerouting', 'dstnat'), rules: names.translation }]
      : []),
    {
      name: 'nat',
      hook: base('nat', 'postrouting', 'srcnat'),
      rules: settings.masquerade ? [`iifname ${tunnel} oifname != ${tunnel} masquerade`] : [],
    },
  ];
}

/** The chains by which packets enter the decision. */
const ENTRIES = ['from_tunnel', 'from_network', 'to_host', 'from_host'];

const CLAMP = 'tcp option maxseg size set rt mtu';

/**
 * Returns the declaration of a base chain, always with policy accept. The rules drop only packets of the tunnel and the
 * overlay, and packets that this host forwards only because of us.
 */
function base(type: string, hook: string, priority: string): string {
  return ` { type ${type} hook ${hook} priority ${priority}; policy accept; }`;
}
