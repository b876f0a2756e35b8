import type { ProbeResult } from '@sallyport/contract/channel';
import type { Timers } from './timers.ts';

type Answer = readonly ProbeResult[] | null;

/** Requests to run all probes now. One runs at a time, and later callers join it. */
export class ProbeRequests {
  readonly #timers: Timers;
  #request: string | null = null;
  readonly #waiting = new Set<(answer: Answer) => void>();

  constructor(timers: Timers) {
    this.#timers = timers;
  }

  /**
   * Joins the running request, or begins one by calling `send` with `id`. Resolves with null when no answer comes in
   * time.
   */
  ask(id: string, timeoutMs: number, send: (request: string) => void): Promise<Answer> {
    return new Promise((resolve) => {
      const finish = (answer: Answer): void => {
        cancel();
        this.#waiting.delete(finish);
        if (this.#waiting.size === 0) this.#request = null;
        resolve(answer);
      };
      const cancel = this.#timers.after(timeoutMs, () => finish(null));
      this.#waiting.add(finish);
      if (this.#request !== null) return;
      this.#request = id;
      send(id);
    });
  }

  answered(request: string, results: readonly ProbeResult[]): void {
    if (request === this.#request) this.#finishAll(results);
  }

  /** The agent is gone: waiting requests end without an answer. */
  abandon(): void {
    this.#finishAll(null);
  }

  #finishAll(answer: Answer): void {
    for (const finish of [...this.#waiting]) finish(answer);
  }
}
