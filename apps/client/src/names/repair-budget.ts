const windowMs = 60_000;
const most = 5;

/** Limits how often a setting is put back that another program keeps undoing. */
export class RepairBudget {
  #times: number[] = [];

  /** Returns whether one more repair is allowed, and counts it. */
  take(now: number): boolean {
    this.#forget(now);
    if (this.#times.length >= most) return false;
    this.#times.push(now);
    return true;
  }

  /** Returns whether nothing was repaired for a minute. */
  isCalm(now: number): boolean {
    this.#forget(now);
    return this.#times.length === 0;
  }

  #forget(now: number): void {
    this.#times = this.#times.filter((time) => now - time < windowMs);
  }
}
