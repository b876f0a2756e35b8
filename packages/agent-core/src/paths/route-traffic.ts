/** Packets into the tunnel for a prefix, and answers from it, since some moment. */
export interface RouteCount {
  readonly sent: number;
  readonly heard: number;
}

/** `silent`: packets were sent, and nothing came from the prefix for longer than an answer takes. */
export type RouteAnswers = 'answered' | 'silent';

/**
 * Which routes get answers, by the counters of each route. A gateway that answers for one route hides no other. Errors that
 * routers send do not count as answers.
 */
export class RouteTraffic {
  readonly #windows = new Map<string, Window>();

  /** Returns what the counters say since the last look. Routes without packets are not among it. */
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
  /** When it was first seen that packets were sent which nothing has answered yet. */
  sentSince: number | null;
  lookedAt: number;
}

/** Answers may be on their way. */
const patienceMs = 700;
/** Looks that are further apart tell nothing of what is in between. */
const longestMs = 6_000;
