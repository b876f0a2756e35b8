import type { RouteItem } from '@sallyport/contract/channel';
import { prefixOf } from '../reconcile/wanted.ts';
import type { Move } from './chooser.ts';

/** Outcome of a connection to a target. Only one that is established shows that the way leads to the resource. */
export type TryOutcome = 'answered' | 'refused' | 'none';

/** A connection to make, through whichever gateway carries the prefix at present. */
export interface Try {
  readonly probe: number;
  readonly gateway: string;
  readonly address: string;
  readonly port: number;
  readonly timeoutMs: number;
}

/** What is known of gateways that may carry a prefix. */
export interface Ways {
  carrierOf(prefix: string): string | null;
  /** The tunnel answers. */
  isUp(gateway: string): boolean;
  rttMs(gateway: string): number | null;
}

/**
 * What a device finds out by itself of the ways to the targets of its routes (docs/paths.md, "In-band evidence"). A target
 * that does not answer makes its gateway *mute* for the route, so the chooser moves the route, and the target is tried there.
 */
export class InBand {
  readonly #nextProbe: () => number;
  #routes = new Map<string, Watched>();
  /** With a trial, or with a gateway that is mute. */
  readonly #busy = new Set<Watched>();
  readonly #probing = new Map<number, Watched>();
  /** When traffic to a gateway was answered last. */
  readonly #answeredAt = new Map<string, number>();

  constructor(nextProbe: () => number) {
    this.#nextProbe = nextProbe;
  }

  /** Routes that are as before keep what is known of them. */
  setRoutes(routes: Iterable<RouteItem>): void {
    const before = this.#routes;
    this.#routes = new Map();
    for (const route of routes) {
      const prefix = prefixOf(route);
      const { target: port, gateways } = route;
      if (port === undefined || gateways.length < 2) continue;
      const known = before.get(prefix);
      const isSame = known?.port === port && known.gateways.join() === gateways.join();
      this.#routes.set(prefix, isSame ? known : watched(prefix, port, gateways));
    }
    for (const route of this.#busy) if (this.#routes.get(route.prefix) !== route) this.#busy.delete(route);
  }

  /** The target of the prefix did not answer through this gateway. */
  isMute(prefix: string, gateway: string): boolean {
    return this.#routes.get(prefix)?.mute.has(gateway) ?? false;
  }

  /** Traffic to the gateway gets no answers. */
  silent(gateway: string, ways: Ways, now: number): void {
    const carried = [...this.#routes.values()].filter(({ prefix }) => ways.carrierOf(prefix) === gateway);
    const hasLost = [...this.#routes.values()].some(({ strikes }) => strikes.has(gateway));
    const most = hasLost ? mostWhileLost : mostAtOnce;
    const busy = carried.filter(({ trial }) => trial !== null).length;
    const answeredAt = this.#answeredAt.get(gateway) ?? -Infinity;
    for (const route of carried) if (route.workedAt < answeredAt) route.restMs = firstRestMs;
    const idle = carried
      .filter((route) => route.trial === null && restsUntil(route) <= now)
      .filter(({ gateways }) => gateways.some((id) => id !== gateway && ways.isUp(id)))
      .toSorted((a, b) => restsUntil(a) - restsUntil(b));
    for (const route of idle.slice(0, Math.max(0, most - busy))) this.#begin(route, gateway, now);
  }

  /** Traffic to the gateway gets answers: a route that was not moved needs no trial. */
  answered(gateway: string, now: number): void {
    this.#answeredAt.set(gateway, now);
    for (const route of this.#busy)
      if (route.trial?.gateway === gateway && route.strikes.size === 0) route.trial = null;
  }

  /** True: a gateway became mute. */
  tried(probe: number, outcome: TryOutcome, now: number): boolean {
    const route = this.#probing.get(probe);
    this.#probing.delete(probe);
    const trial = route?.trial;
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

  /** To be called after routes were chosen. True: they have to be chosen once more. */
  chosen(moves: readonly Move[], now: number): boolean {
    for (const { prefix, to } of moves) {
      const route = this.#routes.get(prefix);
      if (route === undefined) continue;
      route.trial = null;
      if (to !== null && !route.mute.has(to) && route.strikes.size > 0) this.#begin(route, to, now + settleMs);
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

  /** Connections that are due, and whether routes have to be chosen because a gateway is not mute any more. */
  due(ways: Ways, now: number): { readonly tries: Try[]; readonly changed: boolean } {
    const tries: Try[] = [];
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
      trial.probe = this.#nextProbe();
      this.#probing.set(trial.probe, route);
      const [address = ''] = route.prefix.split('/');
      const timeoutMs = patience(ways.rttMs(trial.gateway));
      tries.push({ probe: trial.probe, gateway: trial.gateway, address, port: route.port, timeoutMs });
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

  #begin(route: Watched, gateway: string, at: number): void {
    this.#busy.add(route);
    route.trial = { gateway, at, misses: 0, probe: null };
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

  /** It answers nowhere: the route goes back, and is left alone for longer each time. */
  #giveUp(route: Watched, now: number): void {
    route.mute.clear();
    route.strikes.clear();
    route.deadUntil = now + route.deadMs;
    route.deadMs = Math.min(route.deadMs * 2, longestDeadMs);
  }
}

/** A route with a target. */
interface Watched {
  readonly prefix: string;
  readonly port: number;
  readonly gateways: readonly string[];
  trial: { readonly gateway: string; at: number; misses: number; probe: number | null } | null;
  /** Gateways that do not carry it until that moment. */
  readonly mute: Map<string, number>;
  /** How often the target did not answer through a gateway, since it answered there last. */
  readonly strikes: Map<string, number>;
  /** A gateway became mute, and the chooser has not been asked yet. */
  isOpen: boolean;
  /** When the target answered last, and how long it is left alone after that. */
  workedAt: number;
  restMs: number;
  /** It answers nowhere, and is left alone until then. */
  deadUntil: number;
  deadMs: number;
}

function watched(prefix: string, port: number, gateways: readonly string[]): Watched {
  const rest = { workedAt: -Infinity, restMs: firstRestMs, deadUntil: 0, deadMs: firstDeadMs };
  const facts = { trial: null, mute: new Map(), strikes: new Map(), isOpen: false };
  return { prefix, port, gateways, ...facts, ...rest };
}

function restsUntil({ workedAt, restMs, deadUntil }: Watched): number {
  return Math.max(workedAt + restMs, deadUntil);
}

/** The way from the gateway to the target is not part of the measured time, hence the constant. */
function patience(rttMs: number | null): number {
  return Math.min(shortestPatienceMs + 3 * (rttMs ?? 0), longestPatienceMs);
}

/** Connections without an answer, one after the other, after which a gateway is mute. */
const mostMisses = 3;
/** Between connections that fail at once. */
const pauseMs = 50;
const shortestPatienceMs = 300;
const longestPatienceMs = 1_000;
/** Until the tunnel sends by the new allowed IPs. */
const settleMs = 100;
/** Routes of a gateway that are tried at once: at first, and when one of them was lost. */
const mostAtOnce = 4;
const mostWhileLost = 32;
/** After a target that answered: doubled each time while nothing else is answered, because some traffic wants no answers. */
const firstRestMs = 500;
const longestRestMs = 30_000;
/** After a target that answers nowhere, longer each time. */
const firstDeadMs = 10_000;
const longestDeadMs = 300_000;
/** Before a gateway at which the target did not answer is tried again, longer each time. */
const firstMuteMs = 10_000;
const longestMuteMs = 40_000;
