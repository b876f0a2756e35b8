import type { RouteItem } from '@sallyport/contract/channel';
import { type IpPrefix, parseAddress, parsePrefix, rangeContains } from '@sallyport/ip';
import { prefixOf } from '../reconcile/wanted.ts';
import type { Move } from './chooser.ts';
import { type Answering, Targets } from './targets.ts';
import type { Try, TryOutcome } from './types.ts';

/** Facts about gateways that may carry a prefix. */
export interface Ways {
  carrierOf(prefix: string): string | null;
  /** Whether the tunnel answers. */
  isUp(gateway: string): boolean;
  rttMs(gateway: string): number | null;
}

/**
 * Evidence of a device about the targets of its routes (docs/paths.md, "In-band evidence"). A target that does not answer
 * makes its gateway *mute* for the route. The chooser then moves the route, and the target is tried there.
 */
export class InBand {
  readonly #nextProbe: () => number;
  #routes = new Map<string, Watched>();
  /** Routes with a trial or a mute gateway. */
  readonly #busy = new Set<Watched>();
  readonly #probing = new Map<number, Watched>();
  /** Echoes that look for a target while the path works. A host that answers becomes a target. */
  readonly #echoes: Try[] = [];
  /** Last time at which traffic to a gateway was answered. */
  readonly #answeredAt = new Map<string, number>();

  constructor(nextProbe: () => number) {
    this.#nextProbe = nextProbe;
  }

  /** Sets the routes. Unchanged routes keep their evidence. `pingable`: resources whose addresses may answer an echo. */
  setRoutes(routes: Iterable<RouteItem>, pingable: ReadonlySet<string> = new Set()): void {
    const before = this.#routes;
    this.#routes = new Map();
    for (const route of routes) {
      if (route.gateways.length < 2 || (route.resources.length === 0 && route.target === undefined)) continue;
      const prefix = prefixOf(route);
      const isPingable = route.resources.some((id) => pingable.has(id));
      const known = before.get(prefix);
      const text = JSON.stringify([route.target, route.gateways, isPingable]);
      this.#routes.set(prefix, known?.text === text ? known : watched(prefix, route, isPingable, text));
    }
    for (const route of this.#busy) if (this.#routes.get(route.prefix) !== route) this.#busy.delete(route);
  }

  /** Returns routes that could move to another gateway, up to a limit. */
  get prefixes(): readonly string[] {
    return [...this.#routes.keys()].slice(0, mostCounted);
  }

  /** Returns whether the target of the prefix failed to answer through this gateway. */
  isMute(prefix: string, gateway: string): boolean {
    return this.#routes.get(prefix)?.mute.has(gateway) ?? false;
  }

  /** Handles traffic to the gateway without answers. */
  silent(gateway: string, ways: Ways, now: number): void {
    const carried = this.#carriedBy(gateway, ways);
    const answeredAt = this.#answeredAt.get(gateway) ?? -Infinity;
    for (const route of carried) if (route.workedAt < answeredAt) route.restMs = firstRestMs;
    this.#beginSome(carried, gateway, carried, ways, now);
  }

  /** Handles packets for these routes without answers, even if other routes of the gateway are answered. */
  silentRoutes(prefixes: Iterable<string>, ways: Ways, now: number): void {
    for (const prefix of prefixes) {
      const route = this.#routes.get(prefix);
      const gateway = ways.carrierOf(prefix);
      if (route === undefined || gateway === null) continue;
      this.#beginSome([route], gateway, this.#carriedBy(gateway, ways), ways, now, true);
    }
  }

  /** Handles answers for the route. A route that was not moved then needs no trial. */
  answeredRoute(prefix: string, ways: Ways, now: number): void {
    const route = this.#routes.get(prefix);
    const gateway = ways.carrierOf(prefix);
    if (route === undefined || gateway === null) return;
    if (route.strikes.size === 0) route.trial = null;
    // Just after a trial, the answers may belong to the trial itself.
    if (now > route.triedAt + ownAnswersMs) route.restMs = firstRestMs;
    const echo = route.strikes.size === 0 ? route.targets.echoToAsk(now) : null;
    if (echo !== null) this.#echoes.push({ probe: this.#nextProbe(), gateway, ...echo, timeoutMs: longestPatienceMs });
  }

  /** Makes hosts that answered targets of their routes. */
  saw(answering: readonly Answering[], now: number): void {
    for (const one of answering) this.#routeTo(one.address)?.targets.saw(one, now);
  }

  /** Handles answers from the gateway. A route that was not moved then needs no trial. */
  answered(gateway: string, now: number): void {
    this.#answeredAt.set(gateway, now);
    for (const route of this.#busy) {
      const { trial, strikes } = route;
      if (trial?.gateway === gateway && !trial.isOwn && strikes.size === 0) route.trial = null;
    }
  }

  /** Returns true if a gateway became mute. */
  tried(probe: number, outcome: TryOutcome, now: number): boolean {
    const route = this.#probing.get(probe);
    this.#probing.delete(probe);
    const trial = route?.trial;
    if (route !== undefined) route.triedAt = now;
    if (route === undefined || trial?.probe !== probe) return false;
    trial.probe = null;
    if (outcome === 'answered' || (outcome === 'refused' && route.strikes.size === 0)) {
      this.#worked(route, trial.gateway, now);
      return false;
    }
    trial.misses += 1;
    trial.at = now + pauseMs;
    if (trial.misses < mostMisses) return false;
    this.#failed(route, trial.gateway, now);
    return true;
  }

  /** Must be called after routes were chosen. Returns true if they must be chosen again. */
  chosen(moves: readonly Move[], now: number): boolean {
    for (const { prefix, to } of moves) {
      const route = this.#routes.get(prefix);
      if (route === undefined) continue;
      route.trial = null;
      if (to !== null && !route.mute.has(to) && route.strikes.size > 0) this.#begin(route, to, now + settleMs, true);
    }
    let again = false;
    for (const route of this.#busy) {
      if (!route.isOpen) continue;
      route.isOpen = false;
      if (route.trial !== null) continue;
      again = true;
      this.#giveUp(route, now);
    }
    return again;
  }

  /** Returns due connections, and whether routes must be chosen again because a gateway is no longer mute. */
  due(ways: Ways, now: number): { readonly tries: Try[]; readonly changed: boolean } {
    const tries: Try[] = this.#echoes.splice(0);
    let changed = false;
    for (const route of this.#busy) {
      for (const [gateway, until] of route.mute) {
        if (until > now) continue;
        route.mute.delete(gateway);
        changed = true;
      }
      const { trial } = route;
      if (trial === null && route.mute.size === 0) this.#busy.delete(route);
      if (trial === null || trial.probe !== null || trial.at > now) continue;
      const { all } = route.targets;
      const target = all[trial.misses % all.length];
      if (target === undefined) {
        route.trial = null;
        continue;
      }
      trial.probe = this.#nextProbe();
      this.#probing.set(trial.probe, route);
      const timeoutMs = patience(ways.rttMs(trial.gateway));
      tries.push({ probe: trial.probe, gateway: trial.gateway, ...target, timeoutMs });
    }
    return { tries, changed };
  }

  nextDeadline(): number {
    let at = Infinity;
    for (const { trial, mute } of this.#busy) {
      if (trial?.probe === null) at = Math.min(at, trial.at);
      for (const until of mute.values()) at = Math.min(at, until);
    }
    return at;
  }

  #carriedBy(gateway: string, ways: Ways): Watched[] {
    return [...this.#routes.values()].filter(({ prefix }) => ways.carrierOf(prefix) === gateway);
  }

  /** Starts trials of the routes that may be tried now, up to the limit of each gateway. */
  #beginSome(
    routes: readonly Watched[],
    gateway: string,
    carried: readonly Watched[],
    ways: Ways,
    now: number,
    isOwn = false,
  ): void {
    const hasLost = [...this.#routes.values()].some(({ strikes }) => strikes.has(gateway));
    const most = hasLost ? mostWhileLost : mostAtOnce;
    const busy = carried.filter(({ trial }) => trial !== null).length;
    const idle = routes
      .filter((route) => route.trial === null && route.targets.all.length > 0 && restsUntil(route) <= now)
      .filter(({ gateways }) => gateways.some((id) => id !== gateway && ways.isUp(id)))
      .toSorted((a, b) => restsUntil(a) - restsUntil(b));
    for (const route of idle.slice(0, Math.max(0, most - busy))) this.#begin(route, gateway, now, isOwn);
  }

  #begin(route: Watched, gateway: string, at: number, isOwn: boolean): void {
    this.#busy.add(route);
    route.trial = { gateway, at, misses: 0, probe: null, isOwn };
  }

  /** Returns the watched route that packets to an address take. */
  #routeTo(text: string): Watched | undefined {
    const address = parseAddress(text);
    if (address === null) return undefined;
    const around = [...this.#routes.values()].filter(({ range }) =>
      rangeContains(range, address.family, address.value),
    );
    return around.toSorted((a, b) => b.range.length - a.range.length)[0];
  }

  #worked(route: Watched, gateway: string, now: number): void {
    route.trial = null;
    route.strikes.delete(gateway);
    route.deadMs = firstDeadMs;
    route.restMs = Math.min(route.restMs * 2, longestRestMs);
    route.workedAt = now;
  }

  #failed(route: Watched, gateway: string, now: number): void {
    const strikes = (route.strikes.get(gateway) ?? 0) + 1;
    route.strikes.set(gateway, strikes);
    route.mute.set(gateway, now + Math.min(firstMuteMs * 2 ** (strikes - 1), longestMuteMs));
    route.trial = null;
    route.isOpen = true;
  }

  /** Handles a target that answers nowhere: the route goes back, and the next trial comes after a longer pause. */
  #giveUp(route: Watched, now: number): void {
    route.mute.clear();
    route.targets.forget(now);
    route.strikes.clear();
    route.deadUntil = now + route.deadMs;
    route.deadMs = Math.min(route.deadMs * 2, longestDeadMs);
  }
}

/** A route that another gateway could carry. */
interface Watched {
  readonly prefix: string;
  readonly range: IpPrefix;
  /** Text of the item that it comes from. */
  readonly text: string;
  readonly targets: Targets;
  readonly gateways: readonly string[];
  trial: OneTrial | null;
  /** Mute gateways, with the end of their exclusion. */
  readonly mute: Map<string, number>;
  /** Number of failures of the target through a gateway since its last answer there. */
  readonly strikes: Map<string, number>;
  /** A gateway became mute, and the chooser has not been asked yet. */
  isOpen: boolean;
  /** End of the last connection to a target. */
  triedAt: number;
  /** Time of the target's last answer, and the pause after it. */
  workedAt: number;
  restMs: number;
  /** End of the pause after the target answered through no gateway. */
  deadUntil: number;
  deadMs: number;
}

interface OneTrial {
  readonly gateway: string;
  at: number;
  misses: number;
  probe: number | null;
  /** The route itself was silent, so answers to other routes of the gateway do not end it. */
  readonly isOwn: boolean;
}

function watched(prefix: string, { target, gateways }: RouteItem, isPingable: boolean, text: string): Watched {
  const range = parsePrefix(prefix);
  if (range === null) throw new Error(`${prefix} is not a prefix`);
  const address = range.first === range.last ? (prefix.split('/')[0] ?? null) : null;
  const named = address === null || target === undefined ? null : { address, port: target };
  const targets = new Targets(named, address === null || !isPingable ? null : { address, port: null });
  const rest = { workedAt: -Infinity, restMs: firstRestMs, deadUntil: 0, deadMs: firstDeadMs };
  const facts = { trial: null, mute: new Map(), strikes: new Map(), isOpen: false, triedAt: -Infinity };
  return { prefix, range, text, targets, gateways, ...facts, ...rest };
}

function restsUntil({ workedAt, restMs, deadUntil }: Watched): number {
  return Math.max(workedAt + restMs, deadUntil);
}

/** Returns a timeout, milliseconds. Its constant part covers the unmeasured path from gateway to target. */
function patience(rttMs: number | null): number {
  return Math.min(shortestPatienceMs + 3 * (rttMs ?? 0), longestPatienceMs);
}

/** Consecutive connections without an answer after which a gateway is mute. */
const mostMisses = 3;
/** Pause between connections that fail at once. */
const pauseMs = 50;
const shortestPatienceMs = 300;
const longestPatienceMs = 1_000;
/** Time after a trial in which its last packets may arrive. */
const ownAnswersMs = 2_500;
/** Maximum number of routes with their own packet counters. */
const mostCounted = 256;
/** Time until the tunnel uses new allowed IPs. */
const settleMs = 100;
/** Concurrent trials of a gateway: at first, and after one route was lost. */
const mostAtOnce = 4;
const mostWhileLost = 32;
/** Pause after a target answered. It doubles while only the target answers, because some traffic expects no answers. */
const firstRestMs = 500;
const longestRestMs = 30_000;
/** Pause after a target answers through no gateway. It grows each time. */
const firstDeadMs = 10_000;
const longestDeadMs = 300_000;
/** Pause before a mute gateway is tried again. It grows each time. */
const firstMuteMs = 10_000;
const longestMuteMs = 40_000;
