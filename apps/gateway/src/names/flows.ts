/** Dependencies of a FlowEnder. */
export interface FlowEnderOptions {
  /** Ends the flows to a virtual address that were translated to a real one. */
  readonly end: (virtual: string, real: string) => Promise<void>;
  /** Called with the first error, and again with the first one after a success. */
  readonly failed: (error: unknown) => void;
}

/** Ends flows one after another, so that many at once do not start as many programs. */
export class FlowEnder {
  readonly #options: FlowEnderOptions;
  readonly #waiting = new Map<string, readonly [virtual: string, real: string]>();
  #running: Promise<void> | null = null;
  #failing = false;

  constructor(options: FlowEnderOptions) {
    this.#options = options;
  }

  /** Ends the flows to a virtual address that were translated to a real one, soon. */
  end(virtual: string, real: string): void {
    this.#waiting.set(`${virtual} ${real}`, [virtual, real]);
    this.#running ??= this.#run();
  }

  /** Resolves when all flows have ended that were to end. */
  async settled(): Promise<void> {
    await this.#running;
  }

  async #run(): Promise<void> {
    for (const [key, [virtual, real]] of this.#waiting) {
      this.#waiting.delete(key);
      try {
        await this.#options.end(virtual, real);
        this.#failing = false;
      } catch (error) {
        if (!this.#failing) this.#options.failed(error);
        this.#failing = true;
      }
    }
    this.#running = null;
  }
}
