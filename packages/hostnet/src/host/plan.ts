import { HostNetError } from '../errors.ts';
import { CHECKED_MARK } from '../firewall/registers.ts';
import { tableName } from '../firewall/ruleset.ts';
import { TUNNEL_GROUP } from '../firewall/transit.ts';
import { formatAddress, parsePrefix } from '../ip.ts';
import type { HostState } from '../types.ts';
import { Batch, BLACKHOLE_METRIC, type HostPlan, ROUTE_PROTOCOL } from './batch.ts';
import { clashesOf, overlayRoutes } from './clash.ts';
import type { FoundHost, FoundRule } from './found.ts';
import { chooseGatewayRoutes } from './overlap.ts';
import { planSysctls } from './sysctls.ts';
import { planWays } from './ways.ts';

/**
 * Smallest IPv6 MTU (RFC 8200 section 5). Below it the kernel removes IPv6 from the interface, so the tunnel carries
 * only IPv4.
 */
const IPV6_MINIMUM_MTU = 1280;
/** Plans the commands that bring the gateway's network up. Throws `invalid-state` on a malformed state. */
export function planUp(state: HostState, found: FoundHost): HostPlan {
  tableName(state.interface);
  const { closing, single } = clashesOf(state, found);
  if (closing.length > 0) return planClosed(state, found, closing);
  const batch = new Batch();
  const members = overlayRoutes(state);
  const { wanted, thrown, conflicts } = chooseGatewayRoutes(state.routes, found.foreign);
  const ways = wanted.length > 0 || state.onward === true ? { inside: wanted, thrown } : null;
  const destinations = (family: 4 | 6): string[] => members.filter((prefix) => parsePrefix(prefix).family === family);
  for (const family of families(found)) {
    planRule(batch, state, family, found.rules[`v${family}`]);
    planBlackholes(batch, destinations(family), family, found);
  }
  if (found.link) planLink(batch, state, found);
  else batch.differences.push(`interface ${state.interface} does not exist`);
  for (const family of families(found)) {
    const carried = found.link !== null && familiesInside(state, found).includes(family);
    // The new routes come first, before the routes that earlier versions had in the main table are removed.
    planWays(batch, state.interface, family, ways, found, carried);
    if (carried) planRoutes(batch, state, family, destinations(family), found);
  }
  return batch.plan(planSysctls(state.interface, found.sysctls, found.fixed), [...single, ...conflicts]);
}

/**
 * Leaves the addresses to the host and keeps packets of devices out, because answers would go to the host's network.
 */
function planClosed(state: HostState, found: FoundHost, clashing: readonly string[]): HostPlan {
  const batch = new Batch();
  for (const family of families(found)) planRule(batch, state, family, found.rules[`v${family}`]);
  takeBack(batch, state, found);
  // The link goes down last, with the last family, because the kernel removes routes together with the link.
  const family = families(found).at(-1) ?? 4;
  if (found.link?.up === true) batch.add(family, 'the link is up', `link set dev ${state.interface} down`);
  return { ...batch.plan([], []), clashes: clashing };
}

/**
 * Plans the removal of all present rules, routes and addresses of ours. Restores sysctls to the values that `up`
 * returned.
 */
export function planDown(state: HostState, found: FoundHost): HostPlan {
  const batch = new Batch();
  for (const family of [4, 6] as const)
    for (const rule of found.rules[`v${family}`])
      if (isOurs(rule, state)) batch.add(family, 'a rule is there', `rule del ${ruleText(state)}`);
  takeBack(batch, state, found);
  return batch.plan([], []);
}

/** Plans the ways, routes and addresses. */
function takeBack(batch: Batch, state: HostState, found: FoundHost): void {
  for (const family of [4, 6] as const) {
    planWays(batch, state.interface, family, null, found, false);
    for (const { destination, kind } of found.routes) {
      if (parsePrefix(destination).family !== family || (kind !== 'unicast' && kind !== 'blackhole')) continue;
      const text = kind === 'unicast' ? unicastText(state, destination) : blackholeText(destination);
      batch.add(family, `route ${destination} is there`, `route del ${text}`);
    }
  }
  for (const text of found.addresses) {
    batch.add(parsePrefix(text).family, `address ${text} is there`, `address del ${text} dev ${state.interface}`);
  }
}

/**
 * Adds the rule that closes the tunnel when our table is lost: it prohibits unmarked packets from the tunnel. It must
 * come before the look-up of local addresses, or the host's own services would be open. That look-up has priority 0,
 * and rules of one priority keep the order of their addition. So the plan adds the look-up again behind our rule. A
 * copy at priority 1 keeps local packets flowing in between.
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
 * The look-up rule as the kernel created it (protocol 2). The text uses a number, because iproute2 6.1 misreads a name
 * that follows a number in one batch.
 */
const LOCAL_LOOKUP = 'lookup local protocol 2';

/**
 * Plans a blackhole behind every route into the tunnel, so that traffic goes nowhere else when the interface is gone.
 */
function planBlackholes(batch: Batch, wanted: readonly string[], family: 4 | 6, found: FoundHost): void {
  const there = found.routes.filter(
    ({ kind, destination, metric }) =>
      kind === 'blackhole' && metric === BLACKHOLE_METRIC && parsePrefix(destination).family === family,
  );
  for (const destination of wanted) {
    if (there.some((route) => route.destination === destination)) continue;
    batch.add(family, `no blackhole for ${destination}`, `route add ${blackholeText(destination)}`);
  }
  for (const { destination } of there) {
    if (wanted.includes(destination)) continue;
    batch.add(family, `blackhole ${destination} is old`, `route del ${blackholeText(destination)}`);
  }
}

function planLink(batch: Batch, state: HostState, found: FoundHost): void {
  planInterface(batch, state, found);
  const group = String(TUNNEL_GROUP);
  if (found.link?.group !== group) {
    batch.add(4, 'the link is not marked as a tunnel', `link set dev ${state.interface} group ${group}`);
  }
}

/** Plans the MTU, the addresses and the link state. Throws `invalid-state`. */
export function planInterface(
  batch: Batch,
  state: Pick<HostState, 'interface' | 'addresses' | 'mtu'>,
  found: Pick<FoundHost, 'ipv6' | 'link' | 'addresses'>,
): void {
  const device = `dev ${state.interface}`;
  if (!Number.isInteger(state.mtu) || state.mtu < 576 || state.mtu > 65_535) {
    throw new HostNetError('invalid-state', `not a usable MTU: ${state.mtu}`);
  }
  if (found.link?.mtu !== state.mtu) batch.add(4, `MTU is ${found.link?.mtu}`, `link set ${device} mtu ${state.mtu}`);
  const inside = familiesInside(state, found);
  const wanted = new Set(state.addresses.map(canonical).filter((text) => inside.includes(parsePrefix(text).family)));
  // New addresses come first, because the kernel removes the interface's routes with its last IPv4 address.
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
}

function planRoutes(batch: Batch, state: HostState, family: 4 | 6, wanted: readonly string[], found: FoundHost): void {
  const ours = found.routes.filter(
    ({ kind, destination }) => kind === 'unicast' && parsePrefix(destination).family === family,
  );
  for (const { destination } of ours) {
    if (wanted.includes(destination)) continue;
    batch.add(family, `route ${destination} is old`, `route del ${destination} dev ${state.interface}`);
  }
  for (const prefix of wanted) {
    if (ours.some(({ destination }) => destination === prefix)) continue;
    batch.add(family, `no route for ${prefix}`, `route add ${unicastText(state, prefix)}`);
  }
}

/** Returns the families that the tunnel carries. */
export function familiesInside({ mtu }: Pick<HostState, 'mtu'>, found: Pick<FoundHost, 'ipv6'>): readonly (4 | 6)[] {
  return families(found).filter((family) => family === 4 || mtu >= IPV6_MINIMUM_MTU);
}

/** Returns the families that the host has. */
export function families(found: Pick<FoundHost, 'ipv6'>): readonly (4 | 6)[] {
  return found.ipv6 ? [4, 6] : [4];
}

function unicastText(state: HostState, destination: string): string {
  return `${destination} dev ${state.interface} proto ${ROUTE_PROTOCOL}`;
}

function blackholeText(destination: string): string {
  return `blackhole ${destination} metric ${BLACKHOLE_METRIC} proto ${ROUTE_PROTOCOL}`;
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

/** Returns an address with its prefix length. It keeps the host bits. */
function canonical(text: string): string {
  const prefix = parsePrefix(text);
  return `${formatAddress(prefix)}/${prefix.length}`;
}
