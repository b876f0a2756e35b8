import { HostNetError } from '../errors.ts';
import { CHECKED_MARK } from '../firewall/registers.ts';
import { tableName } from '../firewall/ruleset.ts';
import { formatAddress, formatNetwork, parsePrefix } from '../ip.ts';
import type { HostState } from '../types.ts';
import type { FoundHost, FoundRule } from './found.ts';
import type { SysctlChange } from './sysctls.ts';
import { planSysctls } from './sysctls.ts';

/** What brings the host from what was found to what is wanted. All empty: nothing to do. */
export interface HostPlan {
  readonly sysctls: readonly SysctlChange[];
  /** Text for `ip -4 -batch -` and `ip -6 -batch -`. */
  readonly ip4: string;
  readonly ip6: string;
  /** One sentence for each thing that is not as wanted. */
  readonly differences: readonly string[];
}

/** Marks our routes and rules as ours; a number that no routing daemon has registered. */
export const ROUTE_PROTOCOL = 83;
/** RFC 8200 section 5: below it the kernel takes IPv6 off the interface, so the tunnel carries IPv4 only. */
const IPV6_MINIMUM_MTU = 1280;
/** Worse than any route that somebody would set up on purpose. */
export const BLACKHOLE_METRIC = 4_000_000;

/** Throws `invalid-state` on a malformed state. */
export function planUp(state: HostState, found: FoundHost): HostPlan {
  tableName(state.interface);
  const batch = new Batch();
  for (const family of families(found)) {
    planRule(batch, state, family, found.rules[`v${family}`]);
    planBlackhole(batch, state, family, found);
  }
  if (found.link) planLink(batch, state, found);
  else batch.differences.push(`interface ${state.interface} does not exist`);
  return batch.plan(planSysctls(state.interface, found.sysctls));
}

/** Takes back rules, routes and addresses, whatever of them is there. Sysctls are restored from what `up` returned. */
export function planDown(state: HostState, found: FoundHost): HostPlan {
  const batch = new Batch();
  for (const family of [4, 6] as const) {
    for (const rule of found.rules[`v${family}`]) {
      if (isOurs(rule, state)) batch.add(family, 'a rule is there', `rule del ${ruleText(state)}`);
    }
    const overlay = network(state, family);
    for (const route of found.routes) {
      if (route.destination !== overlay) continue;
      batch.add(family, `route ${overlay} is there`, `route del ${routeText(state, family, route.kind)}`);
    }
  }
  for (const text of found.addresses) {
    batch.add(parsePrefix(text).family, `address ${text} is there`, `address del ${text} dev ${state.interface}`);
  }
  return batch.plan([]);
}

class Batch {
  readonly differences: string[] = [];
  readonly #lines: Record<4 | 6, string[]> = { 4: [], 6: [] };

  add(family: 4 | 6, difference: string, ...lines: string[]): void {
    this.differences.push(`IPv${family}: ${difference}`);
    this.#lines[family].push(...lines);
  }

  plan(sysctls: readonly SysctlChange[]): HostPlan {
    const text = (lines: string[]): string => lines.map((line) => `${line}\n`).join('');
    const settings = sysctls.map(({ path, value, before }) => `${path} is ${before}, not ${value}`);
    return {
      sysctls,
      ip4: text(this.#lines[4]),
      ip6: text(this.#lines[6]),
      differences: [...this.differences, ...settings],
    };
  }
}

/**
 * The rule that closes when our table is lost: packets from the tunnel that nothing has marked are prohibited. It must
 * come before the look-up of local addresses, or the host's own services would open. That one has priority 0, and
 * rules of one priority keep the order in which they were added, so it is added again behind ours. Meanwhile a copy at
 * priority 1 sees to it that no local packet is lost.
 */
function planRule(batch: Batch, state: HostState, family: 4 | 6, rules: readonly FoundRule[]): void {
  const first = rules.findIndex((rule) => rule.action !== 'prohibit');
  const ours = rules.findIndex((rule) => isOurs(rule, state));
  if (ours >= 0 && (first < 0 || ours < first)) return;
  const lines = ours >= 0 ? [`rule del ${ruleText(state)}`] : [];
  const ahead = rules.filter((rule) => rule.priority === 0 && rule.action !== 'prohibit');
  if (ahead.length === 0) {
    batch.add(family, 'no rule prohibits unmarked packets', ...lines, `rule add ${ruleText(state)}`);
    return;
  }
  if (!ahead.every(isLocalLookup)) {
    throw new HostNetError(
      'rejected',
      `another IPv${family} policy rule has priority 0`,
      'Give that rule a higher priority number (see: ip rule), so that the tunnel can be closed before it.',
    );
  }
  if (!rules.some((rule) => rule.priority === 1 && isLocalLookup(rule))) lines.push(`rule add pref 1 ${LOCAL_LOOKUP}`);
  lines.push(...ahead.map(() => `rule del pref 0 ${LOCAL_LOOKUP}`));
  lines.push(`rule add ${ruleText(state)}`, `rule add pref 0 ${LOCAL_LOOKUP}`, `rule del pref 1 ${LOCAL_LOOKUP}`);
  batch.add(family, 'no rule prohibits unmarked packets before local addresses are looked up', ...lines);
}

/**
 * As the kernel made it (protocol 2). By number, since iproute2 6.1 takes a name that follows a number in one batch for
 * that number.
 */
const LOCAL_LOOKUP = 'lookup local protocol 2';

function planBlackhole(batch: Batch, state: HostState, family: 4 | 6, found: FoundHost): void {
  const overlay = network(state, family);
  const there = found.routes.some(
    (route) => route.kind === 'blackhole' && route.destination === overlay && route.metric === BLACKHOLE_METRIC,
  );
  if (!there) batch.add(family, `no blackhole for ${overlay}`, `route add ${routeText(state, family, 'blackhole')}`);
}

function planLink(batch: Batch, state: HostState, found: FoundHost): void {
  const device = `dev ${state.interface}`;
  if (!Number.isInteger(state.mtu) || state.mtu < 576 || state.mtu > 65_535) {
    throw new HostNetError('invalid-state', `not a usable MTU: ${state.mtu}`);
  }
  if (found.link?.mtu !== state.mtu) batch.add(4, `MTU is ${found.link?.mtu}`, `link set ${device} mtu ${state.mtu}`);
  const inside = families(found).filter((family) => family === 4 || state.mtu >= IPV6_MINIMUM_MTU);
  const wanted = new Set(state.addresses.map(canonical).filter((text) => inside.includes(parsePrefix(text).family)));
  // New addresses come first: with the last IPv4 address the kernel takes the interface's routes away.
  for (const text of wanted) {
    if (found.addresses.includes(text)) continue;
    const { family } = parsePrefix(text);
    const flags = family === 6 ? 'noprefixroute nodad' : 'noprefixroute';
    batch.add(family, `address ${text} is missing`, `address replace ${text} ${device} ${flags}`);
  }
  for (const text of found.addresses) {
    if (!wanted.has(text))
      batch.add(parsePrefix(text).family, `address ${text} is not ours`, `address del ${text} ${device}`);
  }
  if (!found.link?.up) batch.add(4, 'the link is down', `link set ${device} up`);
  for (const family of inside) planRoutes(batch, state, family, found);
}

function planRoutes(batch: Batch, state: HostState, family: 4 | 6, found: FoundHost): void {
  const overlay = network(state, family);
  const ours = found.routes.filter(
    ({ kind, destination }) => kind === 'unicast' && parsePrefix(destination).family === family,
  );
  for (const { destination } of ours) {
    if (destination === overlay) continue;
    batch.add(family, `route ${destination} is old`, `route del ${destination} dev ${state.interface}`);
  }
  if (ours.some(({ destination }) => destination === overlay)) return;
  batch.add(family, `no route for ${overlay}`, `route add ${routeText(state, family, 'unicast')}`);
}

function families(found: FoundHost): readonly (4 | 6)[] {
  return found.ipv6 ? [4, 6] : [4];
}

function routeText(state: HostState, family: 4 | 6, kind: 'unicast' | 'blackhole'): string {
  const overlay = network(state, family);
  return kind === 'unicast'
    ? `${overlay} dev ${state.interface} proto ${ROUTE_PROTOCOL}`
    : `blackhole ${overlay} metric ${BLACKHOLE_METRIC} proto ${ROUTE_PROTOCOL}`;
}

function ruleText(state: HostState): string {
  return `pref 0 iif ${state.interface} fwmark 0/0x${CHECKED_MARK.toString(16)} prohibit protocol ${ROUTE_PROTOCOL}`;
}

function isOurs(rule: FoundRule, state: HostState): boolean {
  return (
    rule.action === 'prohibit' && rule.iif === state.interface && rule.fwmark === 0 && rule.fwmask === CHECKED_MARK
  );
}

function isLocalLookup(rule: FoundRule): boolean {
  return rule.action === 'lookup' && rule.table === 'local' && !rule.iif && !rule.fwmask && !rule.narrowed;
}

function network(state: HostState, family: 4 | 6): string {
  return formatNetwork(parsePrefix(state.overlay[`v${family}`]));
}

function canonical(text: string): string {
  const prefix = parsePrefix(text);
  return `${formatAddress(prefix)}/${prefix.length}`;
}
