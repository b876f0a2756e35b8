import { contentId, type RouteItem } from '@sallyport/contract/channel';
import { prefixOf } from '../reconcile/wanted.ts';
import type { RouteView } from './types.ts';

/** Facts for the choice of a gateway. Only gateways with a tunnel have them. */
export interface Carrier {
  readonly name: string;
  readonly standing: 'ACTIVE' | 'MAINTENANCE' | 'ERROR';
  readonly unreachable: ReadonlySet<string>;
  /** Whether its tunnel answers. */
  readonly up: boolean;
  /** Null unless `up`. */
  readonly rttMs: number | null;
  /** Whether `rttMs` has enough samples. The first ones of a busy host are too high. */
  readonly isMeasured: boolean;
  /** Time from which it may take routes from a working gateway. */
  readonly readyAt: number;
  /** Prefixes that it always owns: its own addresses and the sources behind it. */
  readonly owns: ReadonlySet<string>;
}

/** Returns whether a target in the prefix did not answer the device through the gateway. */
export type IsMute = (prefix: string, gateway: string) => boolean;

/** A change of the gateway that carries a route. */
export interface Move {
  readonly prefix: string;
  readonly from: string | null;
  readonly to: string | null;
}

/**
 * Chooses the gateway of each route (docs/paths.md, "Which gateway carries a route"). A route moves only for a cause. It
 * always has a carrier while one of its gateways has a tunnel.
 */
export class RouteChooser {
  readonly #agent: string;
  readonly #holdMs: number;
  readonly #isMute: IsMute;
  #routes = new Map<string, RouteItem>();
  #carriers = new Map<string, string>();
  #carried = new Map<string, Set<string>>();
  /** Last time at which a gateway was unfit for a route although its tunnel answered, by `prefix gateway`. */
  #unfitAt = new Map<string, number>();
  /** Start of a report that a gateway misses resources of a route, by `prefix gateway`. */
  readonly #missedSince = new Map<string, number>();
  #hashes = new Map<string, string>();
  readonly #adopted = new Map<string, number>();
  #nextAt = Infinity;

  constructor(agent: string, holdMs: number, isMute: IsMute = () => false) {
    this.#agent = agent;
    this.#holdMs = holdMs;
    this.#isMute = isMute;
  }

  setRoutes(routes: Iterable<RouteItem>): void {
    this.#routes = new Map([...routes].map((route) => [prefixOf(route), route]));
    this.#unfitAt = new Map([...this.#unfitAt].filter(([key]) => this.#routes.has(key.split(' ')[0] ?? '')));
    this.#hashes = new Map([...this.#hashes].filter(([key]) => this.#routes.has(key.split(' ')[0] ?? '')));
  }

  /** Adopts a prefix that this gateway already owns. The prefix stays there while the state of the tunnel is unknown. */
  adopt(prefix: string, gateway: string, until: number): void {
    if (this.#carriers.has(prefix) || !this.#routes.has(prefix)) return;
    this.#move({ prefix, from: null, to: gateway });
    this.#adopted.set(prefix, until);
  }

  carrierOf(prefix: string): string | null {
    return this.#carriers.get(prefix) ?? null;
  }

  /** Returns the prefixes that a gateway carries, sorted. */
  carriedBy(gateway: string): string[] {
    return [...(this.#carried.get(gateway) ?? [])].sort();
  }

  /** Evaluates every route again. Returns only moved and removed routes. */
  choose(gateways: ReadonlyMap<string, Carrier>, now: number): Move[] {
    this.#nextAt = Infinity;
    const moves: Move[] = [];
    for (const [prefix, from] of this.#carriers) if (!this.#routes.has(prefix)) moves.push({ prefix, from, to: null });
    for (const [prefix, route] of this.#routes) {
      const from = this.#carriers.get(prefix) ?? null;
      const to = this.#carrierOf(prefix, route, gateways, now);
      if (from !== to) moves.push({ prefix, from, to });
    }
    for (const move of moves) this.#move(move);
    return moves;
  }

  /** Returns the end of the wait for a gateway that was lost and is back. */
  nextDeadline(): number {
    return this.#nextAt;
  }

  view(gateways: ReadonlyMap<string, Carrier>): RouteView[] {
    return [...this.#routes].map(([prefix, route]) => {
      const carrier = this.#carriers.get(prefix) ?? null;
      return {
        prefix,
        mode: route.mode,
        resources: route.resources,
        carrier,
        why: this.#why(prefix, route, carrier, gateways),
        gateways: route.gateways.map((gateway) => ({
          gateway,
          against: this.#against(prefix, route, gateway, gateways.get(gateway)),
        })),
      };
    });
  }

  #why(prefix: string, route: RouteItem, carrier: string | null, gateways: ReadonlyMap<string, Carrier>): string {
    const chosen = carrier === null ? undefined : gateways.get(carrier);
    if (carrier === null || chosen === undefined) return 'None of its gateways has a tunnel to here.';
    if (chosen.owns.has(prefix)) return `${chosen.name} is where it is.`;
    const reason = this.#against(prefix, route, carrier, chosen);
    if (reason !== null) return `${chosen.name}, although ${reason}: no gateway of it is better.`;
    if (route.gateways.length === 1) return `${chosen.name} is its only gateway.`;
    return route.mode === 'MANUAL'
      ? `${chosen.name} is the first in its order that works.`
      : `${chosen.name} is among its quickest gateways.`;
  }

  #against(prefix: string, route: RouteItem, gateway: string, carrier: Carrier | undefined): string | null {
    if (carrier === undefined) return 'there is no tunnel to it';
    const { up, standing, unreachable } = carrier;
    if (!up) return 'it does not answer';
    if (this.#isMute(prefix, gateway)) return 'the resource did not answer through it';
    if (route.resources.some((resource) => unreachable.has(resource))) return 'it cannot reach the resource';
    if (standing === 'MAINTENANCE') return 'it is in maintenance';
    return standing === 'ERROR' ? 'it reports an error' : null;
  }

  #move({ prefix, from, to }: Move): void {
    if (from !== null) this.#carried.get(from)?.delete(prefix);
    if (from !== null) this.#adopted.delete(prefix);
    if (to === null) this.#carriers.delete(prefix);
    else {
      this.#carriers.set(prefix, to);
      const carried = this.#carried.get(to) ?? new Set();
      this.#carried.set(to, carried.add(prefix));
    }
  }

  #carrierOf(prefix: string, route: RouteItem, gateways: ReadonlyMap<string, Carrier>, now: number): string | null {
    for (const [id, { owns }] of gateways) if (owns.has(prefix)) return id;
    const all = route.gateways.flatMap((id, order) => {
      const carrier = gateways.get(id);
      return carrier === undefined ? [] : [this.#judge(prefix, route, id, order, carrier, now)];
    });
    if (this.#isAdopted(prefix, all, now)) return this.#carriers.get(prefix) ?? null;
    const best = Math.min(...all.map(({ unfit }) => unfit));
    const fit = all.filter(({ unfit }) => unfit === best);
    const present = fit.find(({ id }) => id === this.#carriers.get(prefix));
    if (present !== undefined && best >= down) return present.id;
    if (misses(best)) return stalest(fit, present).id;
    const ready = fit.filter(({ readyAt }) => readyAt <= now);
    if (present === undefined) return this.#pick(prefix, route, ready.length > 0 ? ready : fit)?.id ?? null;
    return this.#displace(prefix, route, present, ready, fit)?.id ?? present.id;
  }

  #isAdopted(prefix: string, all: readonly Judged[], now: number): boolean {
    const until = this.#adopted.get(prefix) ?? -Infinity;
    const present = all.find(({ id }) => id === this.#carriers.get(prefix));
    if (now < until && present !== undefined && present.unfit >= down) {
      this.#wake(until);
      return true;
    }
    this.#adopted.delete(prefix);
    return false;
  }

  #judge(prefix: string, route: RouteItem, id: string, order: number, carrier: Carrier, now: number): Judged {
    const unfit = unfitness(route, carrier, this.#isMute(prefix, id));
    const key = `${prefix} ${id}`;
    if (unfit > 0 && unfit < down) this.#unfitAt.set(key, now);
    const missedSince = misses(unfit) ? (this.#missedSince.get(key) ?? now) : null;
    if (missedSince === null) this.#missedSince.delete(key);
    else this.#missedSince.set(key, missedSince);
    const fitAt = unfit === 0 ? (this.#unfitAt.get(key) ?? -Infinity) + this.#holdMs : -Infinity;
    const { rttMs, isMeasured, readyAt } = carrier;
    return { id, order, unfit, missedSince, rttMs, isMeasured, readyAt: Math.max(readyAt, fitAt) };
  }

  /** Returns a gateway that takes the route from a working carrier. Returns undefined without a cause. */
  #displace(
    prefix: string,
    route: RouteItem,
    present: Judged,
    ready: readonly Judged[],
    fit: readonly Judged[],
  ): Judged | undefined {
    for (const { readyAt } of fit) if (!ready.some((other) => other.readyAt === readyAt)) this.#wake(readyAt);
    if (route.mode === 'MANUAL') return ready.find(({ order }) => order < present.order);
    const best = Math.min(...ready.map(timeOf));
    if (!present.isMeasured || timeOf(present) <= 2 * best + 20) return undefined;
    return this.#pick(prefix, route, ready);
  }

  #pick(prefix: string, route: RouteItem, fit: readonly Judged[]): Judged | undefined {
    if (route.mode === 'MANUAL') return fit[0];
    const best = Math.min(...fit.map(timeOf));
    const alike = fit.filter((judged) => timeOf(judged) <= 1.5 * best + 10 || best === Infinity);
    const hashed = alike.map((judged) => ({ judged, hash: this.#hash(prefix, judged.id) }));
    return hashed.reduce<(typeof hashed)[number] | undefined>(
      (highest, next) => (highest === undefined || next.hash > highest.hash ? next : highest),
      undefined,
    )?.judged;
  }

  #hash(prefix: string, gateway: string): string {
    const key = `${prefix} ${gateway}`;
    const known = this.#hashes.get(key);
    if (known !== undefined) return known;
    const hash = contentId(this.#agent, prefix, gateway);
    this.#hashes.set(key, hash);
    return hash;
  }

  #wake(at: number): void {
    this.#nextAt = Math.min(this.#nextAt, at);
  }
}

interface Judged {
  readonly id: string;
  readonly order: number;
  readonly unfit: number;
  /** Returns the time since which a gateway misses resources of a route, or null. */
  readonly missedSince: number | null;
  readonly rttMs: number | null;
  readonly isMeasured: boolean;
  readonly readyAt: number;
}

/** Ranks gateways without a path last, so that a wrong report never closes a working path. */
const down = 1_000_000;

/** Returns 0 for a fit gateway, and more for a less suitable one. Each unreachable resource counts. */
function unfitness(route: RouteItem, { up, standing, unreachable }: Carrier, isMute: boolean): number {
  if (!up) return down;
  const told = route.resources.filter((resource) => unreachable.has(resource)).length;
  const missing = isMute ? Math.max(1, route.resources.length) : told;
  if (missing > 0) return 2 + Math.min(missing, down / 2);
  return standing === 'ACTIVE' ? 0 : standing === 'MAINTENANCE' ? 1 : 2;
}

/** Returns whether a report says that the gateway misses resources of the route while its tunnel answers. */
function misses(unfit: number): boolean {
  return unfit > 2 && unfit < down;
}

/**
 * If all gateways are reported unfit, the oldest report is most likely outdated: its gateway may have recovered since.
 * Reports of the same time move no route.
 */
function stalest(fit: readonly Judged[], present: Judged | undefined): Judged {
  const since = ({ missedSince }: Judged): number => missedSince ?? Infinity;
  const oldest = fit.reduce((first, next) => (since(next) < since(first) ? next : first));
  return present !== undefined && since(present) <= since(oldest) + 1_000 ? present : oldest;
}

function timeOf({ rttMs }: Judged): number {
  return rttMs ?? Infinity;
}
