import { HostNetError } from '../errors.ts';
import { tableName } from '../firewall/ruleset.ts';
import { Batch, type HostPlan, ROUTE_PROTOCOL } from '../host/batch.ts';
import type { FoundRoute } from '../host/found.ts';
import { families, familiesInside, planInterface } from '../host/plan.ts';
import { SOURCE_MARK, type SysctlChange } from '../host/sysctls.ts';
import { parseAddress, parsePrefix } from '../ip.ts';
import type { ClientHostState, RouteContest } from '../types.ts';
import type { FoundClient } from './found.ts';
import { contestText, planClientRoutes } from './routes.ts';
import { wantedRules } from './rules.ts';

/**
 * Metric of a fallback route, worse than the route into the tunnel. It applies only when the interface and its route
 * are gone.
 */
const UNREACHABLE_METRIC = 4_000_000;

/** A plan for the network of a client. `conflicts` describes the conflicting routes in words. */
export interface ClientPlan extends HostPlan {
  readonly contests: readonly RouteContest[];
}

/**
 * Plans the commands that bring up the client's network. Throws `invalid-state` on a malformed state, and `rejected`
 * if another program uses the routing table.
 */
export function planClientUp(state: ClientHostState, found: FoundClient): ClientPlan {
  checkState(state);
  if (found.strangers > 0) {
    const hint = 'Choose another table number for the tunnel.';
    throw new HostNetError('rejected', `routing table ${state.table} is in use by somebody else`, hint);
  }
  const batch = new Batch();
  if (found.link) planInterface(batch, state, found);
  else batch.differences.push(`interface ${state.interface} does not exist`);
  const { inside, thrown, resolvers, contests } = planClientRoutes(state, found);
  const carried = found.link ? familiesInside(state, found) : [];
  for (const family of families(found)) {
    const of = (prefixes: readonly string[]): string[] => prefixes.filter((p) => parsePrefix(p).family === family);
    const routes = [
      ...of(thrown).map((destination): Wanted => ({ kind: 'throw', destination })),
      ...of(inside).map((destination): Wanted => ({ kind: 'unreachable', destination })),
      ...(carried.includes(family) ? of(inside) : []).map((destination): Wanted => ({ kind: 'unicast', destination })),
    ];
    planRoutes(batch, state, family, routes, found);
    planRules(batch, family, wantedRules(state, family, resolvers), found);
  }
  const plan = batch.plan(planSysctls(state.interface, found.sysctls), contests.map(contestText));
  return { ...plan, contests };
}

/** Plans the removal of all present rules, routes and addresses of ours. */
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

/** Returns the settings to read. */
export function clientSysctlPaths(tunnel: string): string[] {
  return [SOURCE_MARK, `net/ipv6/conf/${tunnel}/disable_ipv6`];
}

/** Makes a strict reverse path filter accept that marked packets do not come through the tunnel. */
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

/** Adds exceptions first and removes them last, so that traffic left to the host is never cut off in between. */
function planRoutes(batch: Batch, state: ClientHostState, family: 4 | 6, wanted: Wanted[], found: FoundClient): void {
  const there = found.routes.filter(({ destination }) => parsePrefix(destination).family === family);
  const [known, kept] = [new Set(there.map(routeKey)), new Set(wanted.map(routeKey))];
  for (const route of wanted) {
    if (known.has(routeKey(route))) continue;
    batch.add(family, `no ${route.kind} route for ${route.destination}`, `route add ${routeText(state, route)}`);
  }
  const old = there.filter((route) => !kept.has(routeKey(route)));
  for (const { kind, destination, metric } of [...old].reverse()) {
    const text = routeText(state, { kind: kind === 'blackhole' ? 'unicast' : kind, destination }, metric);
    batch.add(family, `${kind} route ${destination} is old`, `route del ${text}`);
  }
}

function routeKey({ kind, destination }: Pick<FoundRoute, 'kind' | 'destination'>): string {
  return `${kind} ${destination}`;
}

/**
 * Returns a route as text. Routes have global scope, although they have no router. When a program adds a route, the
 * kernel looks for its router only among routes of narrower scope (for IPv6, in the main table). So the kernel finds
 * the LAN's router past the tunnel, and nothing else.
 */
function routeText(state: ClientHostState, { kind, destination }: Wanted, metric?: number): string {
  const end = `table ${state.table} proto ${ROUTE_PROTOCOL}`;
  const scope = destination.includes(':') ? '' : ' scope global';
  if (kind === 'unicast') return `${destination} dev ${state.interface}${scope} ${end}`;
  if (kind === 'throw') return `throw ${destination} ${end}`;
  return `unreachable ${destination} metric ${metric ?? UNREACHABLE_METRIC} ${end}`;
}

function planRules(batch: Batch, family: 4 | 6, wanted: readonly string[], found: FoundClient): void {
  const there = found.rules[`v${family}`];
  for (const rule of wanted) if (!there.includes(rule)) batch.add(family, `no rule ${rule}`, `rule add ${rule}`);
  for (const rule of there) if (!wanted.includes(rule)) batch.add(family, `rule ${rule} is old`, `rule del ${rule}`);
}

function checkState({
  interface: name,
  mark,
  table,
  prefixes,
  internet = [],
  direct = [],
  uid = 0,
}: ClientHostState): void {
  tableName(name);
  [...prefixes, ...internet].forEach(parsePrefix);
  for (const { address, protocol, port } of direct) {
    parseAddress(address);
    const fits = ['tcp', 'udp'].includes(protocol) && Number.isInteger(port) && port > 0 && port < 65_536;
    if (!fits) throw new HostNetError('invalid-state', `not a target: ${address} ${protocol} ${port}`);
  }
  const isNumber = (value: number, least: number): boolean =>
    Number.isInteger(value) && value >= least && value <= 0xffffffff;
  if (!isNumber(uid, 0)) throw new HostNetError('invalid-state', `not a user: ${uid}`);
  if (!isNumber(mark, 1)) throw new HostNetError('invalid-state', `not a usable mark: ${mark}`);
  if (!isNumber(table, 256)) throw new HostNetError('invalid-state', `not a usable table: ${table}`);
}
