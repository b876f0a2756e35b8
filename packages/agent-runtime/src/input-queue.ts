import type { Input } from '@sallyport/agent-core';

/** Inputs of a session, handled one at a time. Inputs that a handler causes wait until it ends. */
export class InputQueue {
  readonly #handle: (input: Input) => void;
  readonly #settled: () => void;
  readonly #waiting: Input[] = [];
  #handling = false;

  /** `settled` is called whenever the queue becomes empty. */
  constructor(handle: (input: Input) => void, settled: () => void) {
    this.#handle = handle;
    this.#settled = settled;
  }

  /** Handles an input and those that it causes. While another input is handled, it waits. */
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

  /** Drops waiting inputs. */
  clear(): void {
    this.#waiting.length = 0;
  }
}
