import { Pace } from './pace.ts';
import type { ProbeBook } from './probe-book.ts';

/**
 * Tells which resources a gateway cannot reach. A loss is told at once, so that devices use another gateway. A recovery
 * waits while notices are frequent: each notice is work for every device that uses the gateway.
 */
export class UnreachableNotices {
  readonly #tell: (resources: readonly string[]) => void;
  readonly #pace = new Pace(500, 8_000);
  #told: readonly string[] = [];

  constructor(tell: (resources: readonly string[]) => void) {
    this.#tell = tell;
  }

  /**
   * The gateway connects again. `told`: what counts of it now, perhaps told by another process; undefined: what was told
   * here.
   */
  resume(told: readonly string[] | undefined, probes: ProbeBook): void {
    if (told === undefined) return;
    this.#told = told;
    probes.assume(told);
  }

  /**
   * `unreachable`: ids, ascending. Returns the time of the next necessary call, epoch milliseconds; null: after the
   * next change.
   */
  update(unreachable: readonly string[], now: number): number | null {
    if (unreachable === this.#told) return null;
    const { next } = this.#pace;
    const early = now < next;
    const told = early ? [...new Set([...this.#told, ...unreachable])].sort() : unreachable;
    const same = told.join() === this.#told.join();
    if (!same || !early) this.#told = told;
    if (!same) {
      this.#pace.went(now);
      this.#tell(told);
    }
    return early ? next : null;
  }
}
