import type { FoundClient, HostRoute } from '../client/found.ts';
import { DIRECT_RULE, LAST_RULE, type RuleTarget, ruleText } from '../client/rules.ts';
import { HostNetError } from '../errors.ts';
import { ROUTE_PROTOCOL } from '../host/batch.ts';
import type { ForeignRoute, FoundHost, FoundRoute, FoundRule } from '../host/found.ts';
import type { ConnectedPrefix } from '../host/nearby.ts';
import type { FoundLink } from '../host/transit.ts';
import { isWayRule } from '../host/ways.ts';
import { formatAddress, formatNetwork, parseAddress, parsePrefix } from '../ip.ts';
import type { JsonObject } from './nft-json.ts';
import { isObject } from './nft-json.ts';

/** Reads the single entry of `ip -j address show dev X`. Throws `bad-output`. */
export function readInterface(answer: unknown): Pick<FoundHost, 'link' | 'addresses'> {
  const [entry] = objects(answer).filter((object) => object.ifname !== undefined);
  if (!entry || !Array.isArray(entry.flags)) throw bad('no interface');
  const addresses = objects(entry.addr_info ?? [])
    .filter((address) => address.scope !== 'link' || address.family === 'inet')
    .map((address) => `${formatAddress(parseAddress(text(address.local)))}/${integer(address.prefixlen)}`);
  const link = { mtu: integer(entry.mtu), up: entry.flags.includes('UP'), group: String(entry.group ?? '') };
  return { link, addresses };
}

/** Finds an interface in `ip -j address show`. `link` is null when it does not exist. Throws `bad-output`. */
export function findInterfaceIn(answer: unknown, name: string): Pick<FoundHost, 'link' | 'addresses'> {
  const found = objects(answer).filter(({ ifname }) => ifname === name);
  return found.length === 0 ? { link: null, addresses: [] } : readInterface(found);
}

/**
 * Reads `ip -j route show table all` of one family and one table; null is the main table. Keeps routes into the tunnel
 * and routes that lead nowhere. Throws `bad-output`.
 */
export function readRoutes(answer: unknown, tunnel: string, family: 4 | 6, table: number | null): FoundRoute[] {
  const routes: FoundRoute[] = [];
  for (const route of objects(answer)) {
    if ((route.table ?? null) !== (table === null ? null : String(table))) continue;
    const kind = NOWHERE.find((type) => type === route.type) ?? 'unicast';
    if (kind === 'unicast' && (route.type !== undefined || route.dev !== tunnel)) continue;
    routes.push({ kind, destination: destination(text(route.dst), family), metric: integer(route.metric ?? 0) });
  }
  return routes;
}

/** Reads `ip -j -d link show`. Throws `bad-output`. */
export function readLinks(answer: unknown): FoundLink[] {
  return objects(answer)
    .filter(({ ifname }) => ifname !== undefined)
    .map(({ ifname, linkinfo, master }) => ({
      name: text(ifname),
      kind: isObject(linkinfo) && typeof linkinfo.info_kind === 'string' ? linkinfo.info_kind : null,
      master: typeof master === 'string' ? master : null,
    }));
}

/** Reads `ip -j address show`: the network of each address, and its peer address. Throws `bad-output`. */
export function readConnectedAddresses(answer: unknown): ConnectedPrefix[] {
  return objects(answer).flatMap(({ ifname, addr_info }) =>
    objects(addr_info ?? [])
      .filter(({ local }) => local !== undefined)
      .map(({ local, address, prefixlen }) => ({
        device: text(ifname),
        prefix: `${text(address ?? local)}/${integer(prefixlen)}`,
      })),
  );
}

/** Reads `ip -j route show` of one family. Keeps destinations without a router. Throws `bad-output`. */
export function readConnectedRoutes(answer: unknown, family: 4 | 6): ConnectedPrefix[] {
  return readForeignRoutes(answer, family)
    .filter(({ connected }) => connected)
    .map(({ device, destination: prefix }) => ({ device, prefix }));
}

/**
 * Reads `ip -j rule show`. Keeps the rules of ways of any gateway, in the form of `wayRuleTexts`. Throws `bad-output`.
 */
export function readWayRules(answer: unknown): string[] {
  return objects(answer)
    .filter(({ priority, protocol }) => protocol === String(ROUTE_PROTOCOL) && isWayRule(integer(priority)))
    .map(({ priority, iif, fwmark, table, goto: target }) =>
      [
        `pref ${integer(priority)}`,
        ...(iif === undefined ? [] : [`iif ${text(iif)}`]),
        ...(fwmark === undefined ? [] : [`fwmark ${text(fwmark)}`]),
        target === undefined ? `lookup ${text(table)}` : `goto ${integer(target)}`,
      ].join(' '),
    );
}

const NOWHERE = ['blackhole', 'unreachable', 'throw'] as const;

/** Reads `ip -j route show` of one family. Keeps foreign routes that lead somewhere. Throws `bad-output`. */
export function readForeignRoutes(answer: unknown, family: 4 | 6): ForeignRoute[] {
  return objects(answer)
    .filter((route) => route.type === undefined && route.protocol !== String(ROUTE_PROTOCOL))
    .map((route) => ({
      destination: destination(text(route.dst), family),
      device: typeof route.dev === 'string' ? route.dev : 'several interfaces',
      connected: typeof route.dev === 'string' && route.gateway === undefined && route.via === undefined,
    }));
}

/**
 * Reads `ip -j route show table all` for a part of the addresses. Keeps foreign routes without default routes. Returns
 * addresses of the host as routes of one address. Throws `bad-output`.
 */
export function readRoutesAround(answer: unknown, tunnel: string, family: 4 | 6): ForeignRoute[] {
  const routes = objects(answer);
  // A native device on this host also routes the overlay.
  const ours = new Set([tunnel, 'lo', ...routes.filter(isOurs).map(({ dev }) => dev)]);
  const foreign = routes
    .filter(({ type, dev }) => !ours.has(dev) && (type === undefined || type === 'local'))
    .map(({ type: _, ...route }) => route);
  return readForeignRoutes(foreign, family).filter(({ destination }) => !destination.endsWith('/0'));
}

const isOurs = ({ protocol }: JsonObject): boolean => protocol === String(ROUTE_PROTOCOL);

/** Returns the number of listed routes without our protocol number. Throws `bad-output`. */
export function countStrangers(answer: unknown): number {
  return objects(answer).filter((route) => route.protocol !== String(ROUTE_PROTOCOL)).length;
}

/** Reads `ip -j rule show`. Keeps the rules of a native device, in the form of `ruleText`. Throws `bad-output`. */
export function readClientRules(answer: unknown): string[] {
  return objects(answer)
    .filter(({ priority, protocol }) => {
      const number = integer(priority);
      return protocol === String(ROUTE_PROTOCOL) && number >= DIRECT_RULE && number <= LAST_RULE;
    })
    .map((rule) =>
      ruleText({
        priority: integer(rule.priority),
        not: 'not' in rule,
        mark: rule.fwmark === undefined ? null : Number(rule.fwmark),
        ...(rule.ipproto !== undefined && { to: targetOf(rule) }),
        table: rule.table === undefined ? text(rule.action) : `lookup ${text(rule.table)}`,
        suppress: rule.suppress_prefixlen !== undefined,
      }),
    );
}

/** For a single address, `dst` has no prefix length. */
function targetOf(rule: JsonObject): RuleTarget {
  const { dst, dstlen, ipproto, sport, dport, uid_start: uid } = rule;
  return {
    ...(dst !== undefined && { to: dstlen === undefined ? text(dst) : `${text(dst)}/${integer(dstlen)}` }),
    protocol: ipproto === 'udp' ? 'udp' : 'tcp',
    ...(sport !== undefined && { from: Number(sport) }),
    port: Number(dport ?? 0),
    ...(uid !== undefined && { uid: integer(uid) }),
  };
}

/**
 * Reads `ip -j -d address show`, which also lists links. Returns networks of interfaces, addresses, and bridges that
 * have only virtual ports. Throws `bad-output`.
 */
export function readClientLinks(answer: unknown, tunnel: string): ClientLinks {
  const links = objects(answer).filter(({ ifname }) => ifname !== undefined && ifname !== 'lo' && ifname !== tunnel);
  const networks = new Set<string>();
  const own: FoundClient['own'][number][] = [];
  for (const { ifname, addr_info } of links)
    for (const { local, prefixlen, scope } of objects(addr_info ?? [])) {
      if (local === undefined || (scope === 'link' && text(local).includes(':'))) continue;
      const address = formatAddress(parseAddress(text(local)));
      const network = formatNetwork(parsePrefix(`${address}/${integer(prefixlen)}`));
      networks.add(`${text(ifname)} ${network}`);
      own.push({ address, device: text(ifname) });
    }
  const kinds = readLinks(answer);
  const solid = new Set(kinds.filter(({ kind }) => !virtualPorts.has(kind ?? '')).map(({ master }) => master));
  const bridges = kinds.filter(({ name, kind }) => kind === 'bridge' && !solid.has(name));
  return { networks, own, internal: new Set(bridges.map(({ name }) => name)) };
}

/** Networks, addresses and bridges of the host's own interfaces. */
export interface ClientLinks {
  /** Each is `device network`. */
  readonly networks: ReadonlySet<string>;
  readonly own: FoundClient['own'];
  /** Names of bridges. */
  readonly internal: ReadonlySet<string>;
}

/** Kinds of links that connect containers and virtual machines of this host. */
const virtualPorts: ReadonlySet<string> = new Set(['veth', 'tun']);

/** A learned route may look connected. It is connected only if an interface has an address in exactly that network. */
export function hostRoutes(
  answer: unknown,
  family: 4 | 6,
  { networks, internal }: Pick<ClientLinks, 'networks' | 'internal'>,
): HostRoute[] {
  return readForeignRoutes(answer, family).map((route) => ({
    ...route,
    connected: route.connected && networks.has(`${route.device} ${route.destination}`),
    internal: internal.has(route.device),
  }));
}

/** Reads `ip -j rule show`. Throws `bad-output`. */
export function readRules(answer: unknown): FoundRule[] {
  return objects(answer).map((rule) => ({
    priority: integer(rule.priority),
    action: rule.action === 'prohibit' ? 'prohibit' : rule.table !== undefined && !rule.action ? 'lookup' : 'other',
    table: rule.table === undefined ? null : text(rule.table),
    iif: rule.iif === undefined ? null : text(rule.iif),
    fwmark: Number(rule.fwmark ?? 0),
    fwmask: rule.fwmark === undefined ? 0 : Number(rule.fwmask ?? 0xffffffff),
    narrowed: rule.src !== 'all' || Object.keys(rule).some((key) => !PLAIN_RULE_KEYS.has(key)),
  }));
}

const PLAIN_RULE_KEYS = new Set([
  'priority',
  'src',
  'iif',
  'iif_detached',
  'fwmark',
  'fwmask',
  'table',
  'action',
  'protocol',
]);

function destination(dst: string, family: 4 | 6): string {
  if (dst === 'default') return family === 4 ? '0.0.0.0/0' : '::/0';
  return dst.includes('/') ? formatNetwork(parsePrefix(dst)) : `${dst}/${dst.includes(':') ? 128 : 32}`;
}

function objects(answer: unknown): JsonObject[] {
  if (!Array.isArray(answer) || !answer.every(isObject)) throw bad('no list of objects');
  return answer;
}

function text(value: unknown): string {
  if (typeof value !== 'string') throw bad('a text is missing');
  return value;
}

function integer(value: unknown): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value)) throw bad('a number is missing');
  return value;
}

function bad(what: string): HostNetError {
  return new HostNetError('bad-output', `the answer of ip is not understood: ${what}`);
}
