import { canonical } from '../host/overlap.ts';
import { parsePrefix } from '../ip.ts';
import type { ClientHostState, RouteContest } from '../types.ts';
import type { FoundClient, HostRoute } from './found.ts';
import { PrefixSet } from './prefix-set.ts';

/** The content of the tunnel's own routing table, and the decisions beside it. */
export interface ClientRoutes {
  /** Prefixes that go into the tunnel. */
  readonly inside: readonly string[];
  /** Prefixes left to the main table, although they lie within tunnel prefixes. */
  readonly thrown: readonly string[];
  /** Local networks in which only the resolvers are reached past the tunnel. */
  readonly resolvers: readonly string[];
  /** Prefixes that the host's own network also has, in whole or in part. At most `mostContests`. */
  readonly contests: readonly RouteContest[];
}

const mostContests = 200;

/**
 * Decides which prefixes go into the tunnel. The kernel reads the tunnel's table before the main one. So the tunnel's
 * table wins over every route that the host has or learns, now and later. DHCP, router advertisements and network
 * numbers only state the network's own claims.
 *
 * Two kinds of networks are left to the host. The first is a connected network in the overlay, except for granted
 * prefixes, unless the tunnel is full. The second applies to a full tunnel: local networks as `localNetwork` says,
 * with those in the overlay, and networks that exist only within the host, such as container networks. A prefix that a
 * resource grants is never left to the host.
 */
export function planClientRoutes(
  state: ClientHostState,
  { foreign, own }: Pick<FoundClient, 'foreign' | 'own'>,
): ClientRoutes {
  if (state.prefixes.length === 0) return { inside: [], thrown: [], resolvers: [], contests: [] };
  const nests = nestsOf(state);
  const decided = foreign.map((route) => ({ route, outcome: decide(route, nests, state) }));
  const thrown = new Set([
    ...(nests.wide.hasFamily(6) ? [linkLocal] : []),
    ...decided.flatMap(({ route, outcome }) => (outcome === 'outside' ? [route.destination] : [])),
  ]);
  const resolvers = decided.flatMap(({ route, outcome }) => (outcome === 'resolvers' ? [route.destination] : []));
  const contests = [
    ...own.flatMap((address) => ownContest(address, nests.granted)),
    ...decided.flatMap(({ route, outcome }) => contestOf(route, outcome, nests)),
  ];
  return {
    inside: nests.wanted.filter((prefix) => !thrown.has(prefix)),
    thrown: [...thrown],
    resolvers: [...new Set(resolvers)],
    contests: contests.slice(0, mostContests),
  };
}

interface Nests {
  /** All prefixes that go into the tunnel. */
  readonly wanted: readonly string[];
  /** The prefixes of resources. */
  readonly granted: PrefixSet;
  /** The internet prefixes of a full tunnel. */
  readonly wide: PrefixSet;
  readonly overlay: PrefixSet;
}

function nestsOf({ overlay, members, prefixes, internet = [] }: ClientHostState): Nests {
  const whole = canonical(members ?? [overlay.v4, overlay.v6]);
  const all = canonical(prefixes);
  const open = new Set(canonical(internet));
  const isWide = (prefix: string): boolean => isDefault(prefix) || open.has(prefix);
  return {
    wanted: [...new Set([...whole, ...all])],
    granted: new PrefixSet(all.filter((prefix) => !isWide(prefix))),
    wide: new PrefixSet(all.filter(isWide)),
    overlay: new PrefixSet(whole),
  };
}

/** The decision about a network of the host. `apart`: none of its addresses go into the tunnel. */
type Outcome = 'apart' | 'inside' | 'outside' | 'resolvers';

function decide(route: HostRoute, { granted, wide, overlay }: Nests, { localNetwork }: ClientHostState): Outcome {
  const { destination, connected, internal } = route;
  if (isDefault(destination) || unrouted.around(destination) !== undefined) return 'apart';
  if (granted.around(destination) !== undefined) return 'inside';
  const part = granted.within(destination) === undefined ? 'apart' : 'inside';
  if (wide.around(destination) !== undefined) {
    if (!connected || !isLocalUse(destination)) return 'inside';
    if (internal || localNetwork === 'OPEN') return 'outside';
    return localNetwork === 'CLOSED' || part === 'inside' ? 'inside' : 'resolvers';
  }
  if (wide.within(destination) !== undefined) return 'inside';
  const member = overlay.around(destination);
  if (member !== undefined) return connected && !isSingle(member) ? 'outside' : 'inside';
  return connected && overlay.within(destination) !== undefined ? 'inside' : part;
}

function contestOf(route: HostRoute, outcome: Outcome, { granted, wide, overlay }: Nests): RouteContest[] {
  const { destination, device, connected } = route;
  if (outcome === 'apart') return [];
  const kind = connected ? 'connected' : 'learned';
  const nests = [granted, wide, overlay];
  const around = nests.map((set) => set.around(destination)).find((prefix) => prefix !== undefined);
  const prefix = around ?? nests.map((set) => set.within(destination)).find((inner) => inner !== undefined);
  if (prefix === undefined) return [];
  const winner = outcome === 'outside' ? 'host' : 'tunnel';
  return [{ prefix, route: destination, device, kind, winner, resolvers: outcome === 'resolvers' }];
}

/** Returns the conflict with an own address of the host. Packets to it stay in the host, whatever the tables say. */
function ownContest({ address, device }: FoundClient['own'][number], granted: PrefixSet): RouteContest[] {
  const route = `${address}/${address.includes(':') ? 128 : 32}`;
  const prefix = granted.around(route);
  return prefix === undefined ? [] : [{ prefix, route, device, kind: 'own', winner: 'host', resolvers: false }];
}

/** Returns a conflict as a sentence for people. */
export function contestText({ prefix, route, device, kind, winner, resolvers }: RouteContest): string {
  if (kind === 'own') return `${route} of ${prefix} is an address of this host on ${device}: packets to it stay here`;
  if (winner === 'host') return `${route} of ${prefix} does not go into the tunnel: the host has it on ${device}`;
  if (kind === 'learned') return `the route to ${route} on ${device} is not used: ${prefix} goes into the tunnel`;
  const but = resolvers ? ', but for its resolvers (port 53)' : '';
  return `the local network ${route} on ${device} is closed${but}: ${prefix} goes into the tunnel`;
}

const isSingle = (prefix: string): boolean => /:.*\/128$|^[\d.]+\/32$/.test(prefix);

/** Returns whether a canonical prefix contains every address of its family. */
export function isDefault(prefix: string): boolean {
  return prefix === '0.0.0.0/0' || prefix === '::/0';
}

/** Link-local and multicast ranges of an interface; no gateway can carry them. */
const linkLocal = 'fe80::/10';
const unrouted = new PrefixSet([linkLocal, 'ff00::/8']);

/**
 * Returns whether a network has addresses of local use only (RFC 1918, 3927, 4193, 4291, 6598). A network with public
 * addresses could otherwise take the traffic to the real owner of those addresses.
 */
function isLocalUse(prefix: string): boolean {
  const { family } = parsePrefix(prefix);
  return family === 4 ? localUse4.around(prefix) !== undefined : localUse6.around(prefix) !== undefined;
}

const localUse4 = new PrefixSet(['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '169.254.0.0/16', '100.64.0.0/10']);
const localUse6 = new PrefixSet(['fc00::/7', linkLocal]);
