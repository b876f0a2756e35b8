/** Undo steps of a test, run in reverse order. Every step runs, and the first failure is reported at the end. */
export class Cleanup {
  readonly #steps: (() => void | Promise<void>)[] = [];
  #running: Promise<void> | null = null;

  constructor() {
    if (closing) throw new Error('this program is being stopped');
    live.add(this);
  }

  /** Throws once the program is being stopped, because a new object would never be removed. */
  add(step: () => void | Promise<void>): void {
    this.check();
    live.add(this);
    this.#steps.push(step);
  }

  /** Throws like `add`. Call it before creating something. */
  check(): void {
    if (closing) throw new Error('this program is being stopped');
  }

  /** Runs the steps from the last to the first. A second call meanwhile waits for the same steps. */
  run(): Promise<void> {
    this.#running ??= this.#runAll().finally(() => {
      this.#running = null;
    });
    return this.#running;
  }

  async #runAll(): Promise<void> {
    let failure: unknown;
    for (let step = this.#steps.pop(); step !== undefined; step = this.#steps.pop()) {
      try {
        await step();
      } catch (error) {
        failure ??= error;
      }
    }
    live.delete(this);
    if (failure !== undefined) throw failure;
  }
}

/**
 * Runs every clean-up of this process, for programs that are stopped during their work. No step can be added
 * afterwards. Failures are ignored, because a missing object needs no removal.
 */
export async function cleanUpEverything(): Promise<void> {
  closing = true;
  for (const cleanup of [...live].reverse()) await cleanup.run().catch(() => undefined);
}

/** Clean-ups that have not run yet, for a program that is stopped. */
const live = new Set<Cleanup>();
let closing = false;
