import type { Input } from '@sallyport/agent-core';

/** Inputs of a session, handled one after another: those that the handling itself causes wait until it is over. */
export class InputQueue {
  readonly #handle: (input: Input) => void;
  readonly #settled: () => void;
  readonly #waiting: Input[] = [];
  #handling = false;

  /** `settled` is called each time when no input waits any more. */
  constructor(handle: (input: Input) => void, settled: () => void) {
    this.#handle = handle;
    this.#settled = settled;
  }

  /** Handles an input and all that it causes, or lets it wait for the one that is being handled. */
  put(input: Input): void {
    this.#waiting.push(input);
    if (this.#handling) return;
    this.#handling = true;
    try {
      for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) this.#handle(next);
    } finally {
      this.#handling = false;
    }
    this.#settled();
  }

  /** Drops what waits. */
  clear(): void {
    this.#waiting.length = 0;
  }
}
