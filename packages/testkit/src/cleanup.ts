/** What a test has to undo, undone in reverse order; every step runs, the first failure is reported at the end. */
export class Cleanup {
  readonly #steps: (() => void | Promise<void>)[] = [];

  constructor() {
    if (closing) throw new Error('this program is being stopped');
    live.add(this);
  }

  /** Throws once the program is being stopped: nothing may be made that nothing would remove. */
  add(step: () => void | Promise<void>): void {
    this.check();
    live.add(this);
    this.#steps.push(step);
  }

  /** Throws as `add` would. Call it before something is made. */
  check(): void {
    if (closing) throw new Error('this program is being stopped');
  }

  async run(): Promise<void> {
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
 * Runs every clean-up of this process, for programs that were asked to stop in the middle of their work. Afterwards nothing
 * can be added. Failures are ignored: what is missing already needs no removal.
 */
export async function cleanUpEverything(): Promise<void> {
  closing = true;
  for (const cleanup of [...live].reverse()) await cleanup.run().catch(() => undefined);
}

/** Clean-ups that have not run. A program that is stopped cannot ask its own depths for them. */
const live = new Set<Cleanup>();
let closing = false;
