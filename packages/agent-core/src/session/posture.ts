import type { PostureFacts } from './types.ts';

/** The newest facts about a device, and what of them the connection has been told. */
export class Posture {
  #facts: PostureFacts | null = null;
  #told: string | null = null;

  keep(facts: PostureFacts): void {
    this.#facts = facts;
  }

  /** A new connection knows nothing. */
  reset(): void {
    this.#told = null;
  }

  /** What has to be told; null: nothing new. From then on it counts as told. */
  news(): PostureFacts | null {
    if (this.#facts === null) return null;
    const text = JSON.stringify(Object.entries(this.#facts).sort(([a], [b]) => (a < b ? -1 : 1)));
    if (text === this.#told) return null;
    this.#told = text;
    return this.#facts;
  }
}
