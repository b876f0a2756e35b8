import { canonical } from '../host/overlap.ts';
import { parsePrefix } from '../ip.ts';
import type { ClientHostState, RouteContest } from '../types.ts';
import type { FoundClient, HostRoute } from './found.ts';
import { PrefixSet } from './prefix-set.ts';

/** What the tunnel's own routing table says, and what is decided beside it. */
export interface ClientRoutes {
  /** Into the tunnel. */
  readonly inside: readonly string[];
  /** Left to the main table, although they lie within what goes into the tunnel. */
  readonly thrown: readonly string[];
  /** Local networks of which only resolvers are reached past the tunnel. */
  readonly resolvers: readonly string[];
  /** What the host's own network has too, or a part of it. At most `mostContests`. */
  readonly contests: readonly RouteContest[];
}

const mostContests = 200;

/**
 * Decides what goes into the tunnel. The tunnel's table is asked before the main one, so what it holds wins over every route
 * that the host has or learns, now and later: DHCP, router advertisements and the numbers of a network are the network's word.
 *
 * Left to the host: a network that it is connected to in the overlay, beside what is granted there, unless the tunnel is
 * full; and of a full tunnel the local networks as `localNetwork` says, with those in the overlay, and networks that only
 * exist within the host, such as those of containers. What is granted by a resource is never left to the host.
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
  /** Everything that goes into the tunnel. */
  readonly wanted: readonly string[];
  /** For resources. */
  readonly granted: PrefixSet;
  /** The internet of a full tunnel. */
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

/** `apart`: nothing of it goes into the tunnel. */
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

/** What is sent to an address of the host itself stays in the host, whatever the tables say. */
function ownContest({ address, device }: FoundClient['own'][number], granted: PrefixSet): RouteContest[] {
  const route = `${address}/${address.includes(':') ? 128 : 32}`;
  const prefix = granted.around(route);
  return prefix === undefined ? [] : [{ prefix, route, device, kind: 'own', winner: 'host', resolvers: false }];
}

/** A contest as a sentence for people. */
export function contestText({ prefix, route, device, kind, winner, resolvers }: RouteContest): string {
  if (kind === 'own') return `${route} of ${prefix} is an address of this host on ${device}: packets to it stay here`;
  if (winner === 'host') return `${route} of ${prefix} does not go into the tunnel: the host has it on ${device}`;
  if (kind === 'learned') return `the route to ${route} on ${device} is not used: ${prefix} goes into the tunnel`;
  const but = resolvers ? ', but for its resolvers (port 53)' : '';
  return `the local network ${route} on ${device} is closed${but}: ${prefix} goes into the tunnel`;
}

const isSingle = (prefix: string): boolean => /:.*\/128$|^[\d.]+\/32$/.test(prefix);

/** Whether a canonical prefix stands for every address of its family. */
export function isDefault(prefix: string): boolean {
  return prefix === '0.0.0.0/0' || prefix === '::/0';
}

/** Of an interface itself; no gateway can carry it. */
const linkLocal = 'fe80::/10';
const unrouted = new PrefixSet([linkLocal, 'ff00::/8']);

/**
 * Whether a network has addresses of local use only (RFC 1918, 3927, 4193, 4291, 6598). A network that numbers itself like a
 * place on the internet would take the traffic to that place otherwise.
 */
function isLocalUse(prefix: string): boolean {
  const { family } = parsePrefix(prefix);
  return family === 4 ? localUse4.around(prefix) !== undefined : localUse6.around(prefix) !== undefined;
}

const localUse4 = new PrefixSet(['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '169.254.0.0/16', '100.64.0.0/10']);
const localUse6 = new PrefixSet(['fc00::/7', linkLocal]);
