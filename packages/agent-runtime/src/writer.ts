import { setTimeout as pause } from 'node:timers/promises';

/**
 * Writes the newest text, one write at a time. Changes during a write cause one more write after a pause. The pause is
 * proportional to the duration of the write, so that large states do not keep the disk busy.
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

  /** Resolves when all requested writes are complete. */
  async flush(): Promise<void> {
    this.#flushing = true;
    while (this.#running !== null) await this.#running;
    this.#flushing = false;
  }

  async #run(): Promise<void> {
    do {
      this.#again = false;
      const began = performance.now();
      // Also catches errors before the first await.
      await Promise.resolve().then(this.#write).catch(this.#failed);
      if (this.#again && !this.#flushing) await pause((performance.now() - began) * pauseFactor);
    } while (this.#again);
    this.#running = null;
  }
}

const pauseFactor = 10;
