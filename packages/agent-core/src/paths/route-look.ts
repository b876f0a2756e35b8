import type { RouteItem, StateItem } from '@sallyport/contract/channel';
import { prefixOf } from '../reconcile/wanted.ts';
import type { InBand, Ways } from './in-band.ts';
import { RouteTraffic } from './route-traffic.ts';
import type { PathEffect, PathInput } from './types.ts';

/** Requests the counters of routes during traffic and passes the result to `InBand`. An idle device requests nothing. */
export class RouteLook {
  readonly #inBand: InBand;
  readonly #isOn: boolean;
  readonly #traffic = new RouteTraffic();
  #apart: readonly string[] = [];
  #askedAt = -Infinity;
  #waits = false;

  constructor(inBand: InBand, isOn: boolean) {
    this.#inBand = inBand;
    this.#isOn = isOn;
  }

  setItems(items: readonly StateItem[], routes: readonly RouteItem[]): void {
    const pingable = items.filter((item) => item.kind === 'resource').filter(({ ping }) => ping?.icmp === true);
    const watched = routes.filter(({ target }) => this.#isOn || target !== undefined);
    this.#inBand.setRoutes(watched, new Set(pingable.map(({ id }) => id)));
    const counted = new Set(this.#inBand.prefixes);
    this.#apart = routes.map(prefixOf).filter((prefix) => !counted.has(prefix));
  }

  /** Call this while the device sends traffic. */
  ask(now: number): PathEffect | null {
    const { prefixes } = this.#inBand;
    const isSoon = now - this.#askedAt < (this.#waits ? givenUpMs : everyMs);
    if (!this.#isOn || prefixes.length === 0 || isSoon) return null;
    this.#askedAt = now;
    this.#waits = true;
    return { kind: 'read-traffic', prefixes, apart: this.#apart };
  }

  took({ counts, answering }: Extract<PathInput, { kind: 'traffic' }>, ways: Ways, now: number): void {
    this.#waits = false;
    this.#inBand.saw(answering, now);
    const silent: string[] = [];
    for (const [prefix, said] of this.#traffic.seen(counts, now)) {
      if (said === 'silent') silent.push(prefix);
      else this.#inBand.answeredRoute(prefix, ways, now);
    }
    this.#inBand.silentRoutes(silent, ways, now);
  }
}

const everyMs = 900;
const givenUpMs = 5_000;
