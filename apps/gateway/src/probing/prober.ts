import type { ProbeItem, ProbeResult } from '@sallyport/contract/channel';
import { probe, probeAll } from './probes.ts';
import { ProbeSchedule } from './schedule.ts';

/** Probes the gateway's resources continuously, and reports changed outcomes. */
export class Prober {
  readonly #schedule = new ProbeSchedule();
  readonly #now: () => number;
  readonly #noticed: (result: ProbeResult) => void;
  #items: readonly ProbeItem[] = [];
  #timer: NodeJS.Timeout | null = null;
  #stopped = false;

  constructor(now: () => number, noticed: (result: ProbeResult) => void) {
    this.#now = now;
    this.#noticed = noticed;
  }

  get results(): readonly ProbeResult[] {
    return this.#schedule.results;
  }

  expect(items: readonly ProbeItem[]): void {
    this.#items = items;
    this.#schedule.expect(items, this.#now());
    this.#turn();
  }

  /** Probes all targets now, besides the schedule. */
  async all(): Promise<readonly ProbeResult[]> {
    return probeAll(this.#items);
  }

  stop(): void {
    this.#stopped = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
  }

  #turn(): void {
    if (this.#stopped) return;
    const now = this.#now();
    for (const { item, timeoutMs } of this.#schedule.take(now)) void this.#probe(item, timeoutMs);
    if (this.#timer !== null) clearTimeout(this.#timer);
    const next = this.#schedule.nextDeadline();
    if (next !== null) this.#timer = setTimeout(() => this.#turn(), Math.max(next - now, 0)).unref();
  }

  async #probe(item: ProbeItem, timeoutMs: number): Promise<void> {
    const news = this.#schedule.done(await probe(item, timeoutMs), this.#now());
    if (this.#stopped) return;
    if (news !== null) this.#noticed(news);
    this.#turn();
  }
}
