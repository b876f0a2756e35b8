import { setTimeout as pause } from 'node:timers/promises';

/**
 * Writes the newest text there is, one write at a time: what changes while one runs is written once, after it, and after a
 * pause in proportion to the time that the write took, so that large states do not keep the disk busy.
 */
export class LatestWriter {
  readonly #write: () => Promise<void>;
  readonly #failed: (error: unknown) => void;
  #running: Promise<void> | null = null;
  #again = false;
  #flushing = false;

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
    this.#flushing = true;
    while (this.#running !== null) await this.#running;
    this.#flushing = false;
  }

  async #run(): Promise<void> {
    do {
      this.#again = false;
      const began = performance.now();
      // What throws before its first await counts too.
      await Promise.resolve().then(this.#write).catch(this.#failed);
      if (this.#again && !this.#flushing) await pause((performance.now() - began) * pauseFactor);
    } while (this.#again);
    this.#running = null;
  }
}

const pauseFactor = 10;
