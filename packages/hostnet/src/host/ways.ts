import { AWAY_MARK, ONWARD_MARK } from '../firewall/registers.ts';
import { parsePrefix } from '../ip.ts';
import { type Batch, BLACKHOLE_METRIC, ROUTE_PROTOCOL } from './batch.ts';
import type { FoundHost, FoundRoute } from './found.ts';

/**
 * Routing tables of an interface, which packets reach by their marks. The table numbers derive from the interface
 * name. So gateways on one host have separate tables, and every version of the agent finds its own tables again.
 */
export interface WayTables {
  /** The table for traffic between networks here and networks behind other gateways. */
  readonly away: number;
  /** A table with one route, for devices that connect here and go on. */
  readonly onward: number;
}

/** Returns the routing tables of an interface; the same name always gives the same tables. */
export function wayTables(interfaceName: string): WayTables {
  let hash = 0x811c9dc5;
  for (const char of interfaceName) hash = Math.imul(hash ^ (char.codePointAt(0) ?? 0), 0x01000193) >>> 0;
  const away = FIRST_TABLE + (hash & 0xfffff) * 2;
  return { away, onward: away + 1 };
}

const FIRST_TABLE = 1_400_000_000;

/**
 * Priorities of the rules: after the look-up of local addresses, before the rules of native devices and most other
 * programs.
 */
const SKIP_RULE = 5170;
const AWAY_RULE = 5171;
const ONWARD_RULE = 5172;
/**
 * Priority behind all other rules. A host without a default route still finds a route for its answers, which are
 * marked only then.
 */
const LAST_RULE = 33_000;
const PRIORITIES: ReadonlySet<number> = new Set([SKIP_RULE, AWAY_RULE, ONWARD_RULE, LAST_RULE]);

/**
 * Returns the rules in order. An `AWAY` packet out of the tunnel is for this host or its networks, so its route is
 * looked up as usual. Its mark serves a different look-up: whether its source could be behind the tunnel. That look-up
 * runs as if for another interface.
 */
export function wayRuleTexts(interfaceName: string): string[] {
  const { away, onward } = wayTables(interfaceName);
  const mark = (value: number): string => `fwmark 0x${value.toString(16)}`;
  return [
    `pref ${ONWARD_RULE} iif ${interfaceName} ${mark(ONWARD_MARK)} lookup ${onward}`,
    `pref ${ONWARD_RULE} iif lo ${mark(ONWARD_MARK)} lookup ${onward}`,
    `pref ${SKIP_RULE} iif ${interfaceName} ${mark(AWAY_MARK)} goto ${ONWARD_RULE}`,
    `pref ${AWAY_RULE} ${mark(AWAY_MARK)} lookup ${away}`,
    `pref ${LAST_RULE} iif lo lookup ${away}`,
  ];
}

/** Returns whether a rule with our protocol number may be one of these, by its priority. */
export function isWayRule(priority: number): boolean {
  return PRIORITIES.has(priority);
}

/** The wanted content of the tables of ways. */
export interface WantedWays {
  readonly inside: readonly string[];
  /** Narrower prefixes that the host's own network keeps. */
  readonly thrown: readonly string[];
}

/** Plans the ways. `wanted` is null when no ways are in use; the plan then removes existing ones. */
export function planWays(
  batch: Batch,
  name: string,
  family: 4 | 6,
  wanted: WantedWays | null,
  found: Pick<FoundHost, 'ways' | 'wayRules'>,
  carried: boolean,
): void {
  const rules = wanted === null ? [] : wayRuleTexts(name);
  const there = (found.wayRules?.[`v${family}`] ?? []).filter((text) => isOf(text, name));
  const gone = there.filter((text) => !rules.includes(text)).reverse();
  if (wanted === null) dropRules(batch, family, gone);
  const of = (prefixes: readonly string[] = []): readonly string[] =>
    prefixes.filter((prefix) => parsePrefix(prefix).family === family);
  const tables = wayTables(name);
  const everything = wanted === null ? [] : [family === 4 ? '0.0.0.0/0' : '::/0'];
  const away = [...routes('blackhole', of(wanted?.inside)), ...routes('throw', of(wanted?.thrown))];
  const onward = routes('blackhole', everything);
  if (carried) {
    away.push(...routes('unicast', of(wanted?.inside)));
    onward.push(...routes('unicast', everything));
  }
  planTable(batch, { name, family, table: tables.away }, away, found.ways?.away ?? []);
  planTable(batch, { name, family, table: tables.onward }, onward, found.ways?.onward ?? []);
  for (const text of rules.filter((text) => !there.includes(text)))
    batch.add(family, `no rule ${text}`, `rule add ${text} protocol ${ROUTE_PROTOCOL}`);
  if (wanted !== null) dropRules(batch, family, gone);
}

type Route = Pick<FoundRoute, 'kind' | 'destination'>;

function routes(kind: Route['kind'], destinations: readonly string[]): Route[] {
  return destinations.map((destination) => ({ kind, destination }));
}

/** Adds new routes before it removes old ones, so that nothing leaves by another route in between. */
function planTable(
  batch: Batch,
  { name, family, table }: { name: string; family: 4 | 6; table: number },
  wanted: readonly Route[],
  found: readonly FoundRoute[],
): void {
  const there = found.filter(({ destination }) => parsePrefix(destination).family === family);
  const same = (a: Route) => (b: Route) => a.kind === b.kind && a.destination === b.destination;
  const text = ({ kind, destination }: Route): string => {
    const type = kind === 'unicast' ? '' : `${kind} `;
    const way = kind === 'unicast' ? ` dev ${name}` : kind === 'blackhole' ? ` metric ${BLACKHOLE_METRIC}` : '';
    return `${type}${destination}${way} table ${table} proto ${ROUTE_PROTOCOL}`;
  };
  for (const route of wanted)
    if (!there.some(same(route))) batch.add(family, `no ${nameOf(route)}`, `route add ${text(route)}`);
  for (const route of there)
    if (!wanted.some(same(route))) batch.add(family, `the ${nameOf(route)} is old`, `route del ${text(route)}`);
}

function nameOf({ kind, destination }: Route): string {
  return `${kind === 'unicast' ? 'route' : kind === 'throw' ? 'exception' : kind} for ${destination}`;
}

function dropRules(batch: Batch, family: 4 | 6, texts: readonly string[]): void {
  for (const text of texts) batch.add(family, `rule ${text} is old`, `rule del ${text} protocol ${ROUTE_PROTOCOL}`);
}

/** Returns whether the rule belongs to this tunnel. Another gateway on this host has such rules too. */
function isOf(text: string, name: string): boolean {
  const { away, onward } = wayTables(name);
  const words = text.split(' ');
  return words.includes(name) || words.at(-1) === String(away) || words.at(-1) === String(onward);
}
