/**
 * Lets a bounded number of handshakes run at once, overall and per source; the others wait their turn. After a controller
 * restart all agents return together, and one source must not keep the others out.
 */
export class Gate {
  readonly #limits: GateLimits;
  readonly #waiting = new Map<string, (() => void)[]>();
  readonly #running = new Map<string, number>();
  #totalWaiting = 0;
  #totalRunning = 0;

  constructor(limits: GateLimits) {
    this.#limits = limits;
  }

  get running(): number {
    return this.#totalRunning;
  }

  get waiting(): number {
    return this.#totalWaiting;
  }

  /** Queues `start`; false when too many wait already. Whoever was started calls `leave` once. */
  enter(source: string, start: () => void): boolean {
    if (this.#totalWaiting >= this.#limits.waitingUpgrades) return false;
    const queue = this.#waiting.get(source);
    if (queue === undefined) this.#waiting.set(source, [start]);
    else queue.push(start);
    this.#totalWaiting++;
    this.#admit();
    return true;
  }

  leave(source: string): void {
    const running = (this.#running.get(source) ?? 0) - 1;
    if (running > 0) this.#running.set(source, running);
    else this.#running.delete(source);
    this.#totalRunning--;
    this.#admit();
  }

  /** Forgets all that wait. */
  clear(): void {
    this.#waiting.clear();
    this.#totalWaiting = 0;
  }

  #admit(): void {
    for (let source = this.#next(); source !== null; source = this.#next()) {
      const queue = this.#waiting.get(source) ?? [];
      const start = queue.shift();
      // To the back of the sources, so that all have their turn.
      this.#waiting.delete(source);
      if (queue.length > 0) this.#waiting.set(source, queue);
      this.#totalWaiting--;
      this.#totalRunning++;
      this.#running.set(source, (this.#running.get(source) ?? 0) + 1);
      start?.();
    }
  }

  #next(): string | null {
    if (this.#totalRunning >= this.#limits.handshakes) return null;
    for (const source of this.#waiting.keys()) {
      if ((this.#running.get(source) ?? 0) < this.#limits.handshakesPerSource) return source;
    }
    return null;
  }
}

export interface GateLimits {
  readonly handshakes: number;
  readonly handshakesPerSource: number;
  readonly waitingUpgrades: number;
}
