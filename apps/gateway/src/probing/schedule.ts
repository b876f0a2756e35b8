import type { ProbeItem, ProbeResult } from '@sallyport/contract/channel';

/** The known state of one target. */
interface Target {
  readonly item: ProbeItem;
  dueAt: number;
  running: boolean;
  /** Smoothed round-trip time of answers in milliseconds; null before the first answer. */
  usualMs: number | null;
  failures: number;
  result: ProbeResult | null;
}

/** One probe to send now. */
export interface Due {
  readonly item: ProbeItem;
  readonly timeoutMs: number;
}

/**
 * Decides when to probe each resource, and evaluates the outcomes. Probes are frequent enough to detect a dead LAN
 * within two seconds, and rare enough for many targets. One missed answer is checked again before it counts. Sans-IO;
 * times are epoch milliseconds.
 */
export class ProbeSchedule {
  #targets = new Map<string, Target>();

  /** Sets the probes; targets that stay keep their known state. */
  expect(items: readonly ProbeItem[], now: number): void {
    const before = this.#targets;
    this.#targets = new Map();
    items.forEach((item, i) => {
      const known = before.get(item.id);
      const same = known !== undefined && JSON.stringify(known.item) === JSON.stringify(item);
      this.#targets.set(item.id, same ? known : newTarget(item, now + (i % 20) * spreadMs));
    });
  }

  get results(): ProbeResult[] {
    return [...this.#targets.values()].flatMap(({ result }) => (result === null ? [] : [result]));
  }

  /** Returns whether every target has an outcome. */
  get complete(): boolean {
    return this.#targets.values().every(({ result }) => result !== null);
  }

  nextDeadline(): number | null {
    const waiting = this.#targets.values().filter(({ running }) => !running);
    return waiting.reduce<number | null>((first, { dueAt }) => Math.min(first ?? dueAt, dueAt), null);
  }

  /** Returns the probes to send now. Each is answered by `done`. */
  take(now: number): Due[] {
    const due = [...this.#targets.values()].filter(({ running, dueAt }) => !running && dueAt <= now);
    const all = due.slice(0, mostAtOnce);
    for (const target of all) target.running = true;
    return all.map(({ item, usualMs }) => ({ item, timeoutMs: timeoutOf(item, usualMs) }));
  }

  /** Null when there is no change to report. */
  done(result: ProbeResult, now: number): ProbeResult | null {
    const target = this.#targets.get(result.id);
    if (target === undefined) return null;
    target.running = false;
    const { rttMs } = result;
    if (result.reachable) {
      target.failures = 0;
      if (rttMs !== undefined) target.usualMs = target.usualMs === null ? rttMs : target.usualMs * 0.8 + rttMs * 0.2;
    } else target.failures += 1;
    const before = target.result;
    const doubtful = !result.reachable && target.failures < failuresThatCount && before?.reachable === true;
    target.dueAt = now + (doubtful ? recheckMs : this.#intervalMs(target));
    if (doubtful) return null;
    target.result = result;
    return before?.reachable === result.reachable ? null : result;
  }

  #intervalMs({ item }: Target): number {
    const count = this.#targets.size;
    const dear = item.port === null ? Math.min(count * perPingMs, mostPingMs) : 0;
    return Math.min(mostMs, Math.max(leastMs, dear, count * perTargetMs));
  }
}

const leastMs = 1_000;
/** An echo needs a process, so echoes are limited to the rate of connection attempts. */
const perPingMs = 200;
const mostPingMs = 5_000;
const mostMs = 30_000;
const perTargetMs = 40;
const recheckMs = 200;
const spreadMs = 50;
const failuresThatCount = 2;
const mostAtOnce = 32;

function newTarget(item: ProbeItem, dueAt: number): Target {
  return { item, dueAt, running: false, usualMs: null, failures: 0, result: null };
}

/** Limits the wait for a target that usually answers within a millisecond. */
function timeoutOf(item: ProbeItem, usualMs: number | null): number {
  if (usualMs === null) return 3_000;
  return Math.min(3_000, Math.max(item.port === null ? 700 : 300, usualMs * 6 + 100));
}
