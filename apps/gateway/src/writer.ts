/** Writes the newest text there is, one write at a time: what changes while one runs is written once, after it. */
export class LatestWriter {
  readonly #write: () => Promise<void>;
  readonly #failed: (error: unknown) => void;
  #running: Promise<void> | null = null;
  #again = false;

  constructor(write: () => Promise<void>, failed: (error: unknown) => void) {
    this.#write = write;
    this.#failed = failed;
  }

  request(): void {
    if (this.#running !== null) {
      this.#again = true;
      return;
    }
    this.#running = this.#run();
  }

  /** Resolves when everything that was requested is written. */
  async flush(): Promise<void> {
    while (this.#running !== null) await this.#running;
  }

  async #run(): Promise<void> {
    do {
      this.#again = false;
      await this.#write().catch(this.#failed);
    } while (this.#again);
    this.#running = null;
  }
}
