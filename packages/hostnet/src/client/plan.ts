import { HostNetError } from '../errors.ts';
import { tableName } from '../firewall/ruleset.ts';
import type { FoundRoute } from '../host/found.ts';
import { Batch, families, familiesInside, type HostPlan, planInterface, ROUTE_PROTOCOL } from '../host/plan.ts';
import { SOURCE_MARK, type SysctlChange } from '../host/sysctls.ts';
import { formatAddress, parseAddress, parsePrefix } from '../ip.ts';
import type { ClientHostState, DirectTarget } from '../types.ts';
import type { FoundClient } from './found.ts';
import { isDefault, isFull, planClientRoutes } from './routes.ts';

/** Worse than the route into the tunnel, so that it counts only when that is gone with the interface. */
export const UNREACHABLE_METRIC = 4_000_000;

/** Priorities of our policy rules: after the local table, before everybody's rules but those that mean to be early. */
export const DIRECT_RULE = 5180;
export const FIRST_RULE = 5181;
export const LAST_RULE = 5184;

/** Throws `invalid-state` on a malformed state, `rejected` if the routing table is somebody else's. */
export function planClientUp(state: ClientHostState, found: FoundClient): HostPlan {
  checkState(state);
  if (found.strangers > 0) {
    const hint = 'Choose another table number for the tunnel.';
    throw new HostNetError('rejected', `routing table ${state.table} is in use by somebody else`, hint);
  }
  const batch = new Batch();
  if (found.link) planInterface(batch, state, found);
  else batch.differences.push(`interface ${state.interface} does not exist`);
  const { inside, thrown, conflicts } = planClientRoutes(state, found.foreign);
  const carried = found.link ? familiesInside(state, found) : [];
  for (const family of families(found)) {
    const of = (prefixes: readonly string[]): string[] => prefixes.filter((p) => parsePrefix(p).family === family);
    const routes = [
      ...of(thrown).map((destination): Wanted => ({ kind: 'throw', destination })),
      ...of(inside).flatMap((destination): Wanted[] =>
        isDefault(destination) ? [] : [{ kind: 'unreachable', destination }],
      ),
      ...(carried.includes(family) ? of(inside) : []).map((destination): Wanted => ({ kind: 'unicast', destination })),
    ];
    planRoutes(batch, state, family, routes, found);
    planRules(batch, family, wantedRules(state, family), found);
  }
  return batch.plan(planSysctls(state.interface, found.sysctls), conflicts);
}

/** Takes back rules, routes and addresses, whatever of them is there. */
export function planClientDown(state: ClientHostState, found: FoundClient): HostPlan {
  checkState(state);
  const batch = new Batch();
  for (const family of [4, 6] as const) {
    planRules(batch, family, [], found);
    planRoutes(batch, state, family, [], found);
  }
  for (const text of found.addresses) {
    batch.add(parsePrefix(text).family, `address ${text} is there`, `address del ${text} dev ${state.interface}`);
  }
  return batch.plan([], []);
}

/**
 * Packets of WireGuard itself carry the mark and pass by. Of our table everything counts at once but a default route, which
 * comes after whatever the main table knows more specifically. When that is gone with the interface, the last rule keeps
 * everything inside: a route that leads nowhere would not, since it cannot be made to come after the main table. Without prefixes
 * there are no rules.
 */
export function wantedRules(state: ClientHostState, family: 4 | 6): string[] {
  if (state.prefixes.length === 0) return [];
  const table = `lookup ${state.table}`;
  const rule = { not: true, mark: state.mark };
  const first = ruleText({ ...rule, priority: FIRST_RULE, table, suppress: true });
  if (!isFull(state, family)) return [...directRules(state, family), first];
  return [
    ...directRules(state, family),
    first,
    ruleText({ not: false, mark: null, priority: FIRST_RULE + 1, table: 'lookup main', suppress: true }),
    ruleText({ ...rule, priority: FIRST_RULE + 2, table, suppress: false }),
    ruleText({ ...rule, priority: LAST_RULE, table: 'unreachable', suppress: false }),
  ];
}

/** What has to be reached past the tunnel is looked up as if there were none. */
function directRules({ direct = [] }: ClientHostState, family: 4 | 6): string[] {
  const targets = direct.filter(({ address }) => parseAddress(address).family === family);
  const rules = targets.map((target) => {
    const to = { ...target, address: formatAddress(parseAddress(target.address)) };
    return ruleText({ priority: DIRECT_RULE, not: false, mark: null, to, table: 'lookup main', suppress: false });
  });
  return [...new Set(rules)];
}

export interface RuleParts {
  readonly priority: number;
  readonly not: boolean;
  readonly mark: number | null;
  /** Absent: wherever it goes. */
  readonly to?: DirectTarget;
  /** `lookup` and the table, or `unreachable`. */
  readonly table: string;
  readonly suppress: boolean;
}

/** A rule as `ip rule add` and `ip rule del` take it. */
export function ruleText({ priority, not, mark, to, table, suppress }: RuleParts): string {
  const target = to && `to ${to.address} ipproto ${to.protocol} dport ${to.port}`;
  const words = [`pref ${priority}`, not && 'not', mark !== null && `fwmark 0x${mark.toString(16)}`, target, table];
  return [...words, suppress && 'suppress_prefixlength 0', `protocol ${ROUTE_PROTOCOL}`].filter(Boolean).join(' ');
}

/** The settings to look at. */
export function clientSysctlPaths(tunnel: string): string[] {
  return [SOURCE_MARK, `net/ipv6/conf/${tunnel}/disable_ipv6`];
}

/** A strict reverse path filter has to know that marked packets do not come through the tunnel. */
function planSysctls(tunnel: string, found: ReadonlyMap<string, string>): SysctlChange[] {
  const [mark = '', ipv6 = ''] = clientSysctlPaths(tunnel);
  return [
    { path: mark, value: '1' },
    { path: ipv6, value: '0' },
  ].flatMap(({ path, value }) => {
    const before = found.get(path);
    return before === undefined || before === value ? [] : [{ path, value, before }];
  });
}

interface Wanted {
  readonly kind: 'unicast' | 'unreachable' | 'throw';
  readonly destination: string;
}

/** What is thrown back comes first and goes last, so that the host's own network is never cut off. */
function planRoutes(batch: Batch, state: ClientHostState, family: 4 | 6, wanted: Wanted[], found: FoundClient): void {
  const there = found.routes.filter(({ destination }) => parsePrefix(destination).family === family);
  for (const route of wanted) {
    if (there.some((other) => sameRoute(other, route))) continue;
    batch.add(family, `no ${route.kind} route for ${route.destination}`, `route add ${routeText(state, route)}`);
  }
  const old = there.filter((route) => !wanted.some((other) => sameRoute(route, other)));
  for (const { kind, destination, metric } of [...old].reverse()) {
    const text = routeText(state, { kind: kind === 'blackhole' ? 'unicast' : kind, destination }, metric);
    batch.add(family, `${kind} route ${destination} is old`, `route del ${text}`);
  }
}

function sameRoute(a: Pick<FoundRoute, 'kind' | 'destination'>, b: Wanted): boolean {
  return a.kind === b.kind && a.destination === b.destination;
}

function routeText(state: ClientHostState, { kind, destination }: Wanted, metric?: number): string {
  const end = `table ${state.table} proto ${ROUTE_PROTOCOL}`;
  if (kind === 'unicast') return `${destination} dev ${state.interface} ${end}`;
  if (kind === 'throw') return `throw ${destination} ${end}`;
  return `unreachable ${destination} metric ${metric ?? UNREACHABLE_METRIC} ${end}`;
}

function planRules(batch: Batch, family: 4 | 6, wanted: readonly string[], found: FoundClient): void {
  const there = found.rules[`v${family}`];
  for (const rule of wanted) if (!there.includes(rule)) batch.add(family, `no rule ${rule}`, `rule add ${rule}`);
  for (const rule of there) if (!wanted.includes(rule)) batch.add(family, `rule ${rule} is old`, `rule del ${rule}`);
}

function checkState({ interface: name, mark, table, prefixes, direct = [] }: ClientHostState): void {
  tableName(name);
  prefixes.forEach(parsePrefix);
  for (const { address, protocol, port } of direct) {
    parseAddress(address);
    const fits = ['tcp', 'udp'].includes(protocol) && Number.isInteger(port) && port > 0 && port < 65_536;
    if (!fits) throw new HostNetError('invalid-state', `not a target: ${address} ${protocol} ${port}`);
  }
  const isNumber = (value: number, least: number): boolean =>
    Number.isInteger(value) && value >= least && value <= 0xffffffff;
  if (!isNumber(mark, 1)) throw new HostNetError('invalid-state', `not a usable mark: ${mark}`);
  if (!isNumber(table, 256)) throw new HostNetError('invalid-state', `not a usable table: ${table}`);
}
