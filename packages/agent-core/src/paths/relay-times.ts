import type { RelayPointItem } from '@sallyport/contract/channel';
import type { PathEffect, PathsTiming, RelayTimes } from './types.ts';

interface Point {
  item: RelayPointItem;
  rttMs: number | null;
  measured: boolean;
  failures: number;
  nextAt: number;
}

/** Round-trip times to relay points. */
export class RelayMeter {
  readonly #timing: PathsTiming;
  #points = new Map<string, Point>();

  constructor(timing: PathsTiming) {
    this.#timing = timing;
  }

  setPoints(items: readonly RelayPointItem[], now: number): void {
    const before = this.#points;
    this.#points = new Map(
      items.map((item) => {
        const known = before.get(item.id);
        const same = known?.item.endpoint === item.endpoint;
        return [item.id, same ? known : { item, rttMs: null, measured: false, failures: 0, nextAt: now }];
      }),
    );
  }

  /** Measures all relay points again, because all times may be wrong. */
  hurry(now: number): void {
    for (const point of this.#points.values()) point.nextAt = now;
  }

  due(endpointOf: (endpoint: string) => string | undefined, now: number): PathEffect[] {
    return [...this.#points.values()].flatMap((point): PathEffect[] => {
      if (now < point.nextAt) return [];
      point.nextAt = now + this.#timing.relayMs;
      const endpoint = endpointOf(point.item.endpoint);
      if (endpoint === undefined) point.nextAt = now + againMs;
      return endpoint === undefined ? [] : [{ kind: 'measure', relay: point.item.id, endpoint }];
    });
  }

  /** Lost datagrams in a row after which a relay counts as unreachable. */
  measured(relay: string, rttMs: number | null, now: number): void {
    const point = this.#points.get(relay);
    if (point === undefined) return;
    point.failures = rttMs === null ? point.failures + 1 : 0;
    if (rttMs !== null) point.rttMs = point.rttMs === null ? rttMs : Math.min(rttMs, (point.rttMs + rttMs) / 2);
    else if (point.failures >= failuresAllowed) point.rttMs = null;
    point.measured = point.measured || rttMs !== null || point.failures >= failuresAllowed;
    if (rttMs === null && point.failures < failuresAllowed) point.nextAt = now + againMs;
  }

  times(): RelayTimes {
    return [...this.#points.values()]
      .filter(({ measured }) => measured)
      .map(({ item, rttMs }) => ({ gateway: item.id, rttMs }));
  }

  nextDeadline(): number {
    return Math.min(Infinity, ...[...this.#points.values()].map(({ nextAt }) => nextAt));
  }
}

const againMs = 1_000;
const failuresAllowed = 3;
