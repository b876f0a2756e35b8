/** Packets into the tunnel for a prefix, and answers from it, since a fixed time. */
export interface RouteCount {
  readonly sent: number;
  readonly heard: number;
}

/** `silent`: packets were sent, and the prefix sent nothing within the timeout of an answer. */
export type RouteAnswers = 'answered' | 'silent';

/**
 * Finds the routes that get answers, from the counters of each route. An answer for one route does not count for another
 * route of the gateway. Errors from routers do not count as answers.
 */
export class RouteTraffic {
  readonly #windows = new Map<string, Window>();

  /** Returns the result since the last reading. It omits routes without packets. */
  seen(counts: ReadonlyMap<string, RouteCount>, now: number): Map<string, RouteAnswers> {
    for (const prefix of this.#windows.keys()) if (!counts.has(prefix)) this.#windows.delete(prefix);
    const answers = new Map<string, RouteAnswers>();
    for (const [prefix, count] of counts) {
      const said = this.#look(prefix, count, now);
      if (said !== null) answers.set(prefix, said);
    }
    return answers;
  }

  #look(prefix: string, count: RouteCount, now: number): RouteAnswers | null {
    const window = this.#windows.get(prefix);
    const isOther = window === undefined || now - window.lookedAt > longestMs;
    if (isOther || count.sent < window.sent || count.heard < window.heard) {
      this.#windows.set(prefix, { ...count, sentSince: null, lookedAt: now });
      return null;
    }
    window.lookedAt = now;
    if (count.heard > window.heard) {
      this.#windows.set(prefix, { ...count, sentSince: null, lookedAt: now });
      return 'answered';
    }
    if (count.sent === window.sent) return null;
    window.sentSince ??= now;
    if (now - window.sentSince < patienceMs) return null;
    this.#windows.set(prefix, { ...count, sentSince: null, lookedAt: now });
    return 'silent';
  }
}

interface Window {
  readonly sent: number;
  readonly heard: number;
  /** First reading that showed packets without an answer. */
  sentSince: number | null;
  lookedAt: number;
}

/** Time in which answers may still arrive. */
const patienceMs = 700;
/** Maximum interval between two comparable readings. */
const longestMs = 6_000;
