import type { PostureFacts } from './types.ts';

/** The newest facts about a device, and the facts that the connection received. */
export class Posture {
  #facts: PostureFacts | null = null;
  #told: string | null = null;

  keep(facts: PostureFacts): void {
    this.#facts = facts;
  }

  /** Forgets the sent facts, because a new connection received nothing. */
  reset(): void {
    this.#told = null;
  }

  /** Returns changed facts and marks them as sent. Returns null without a change. */
  news(): PostureFacts | null {
    if (this.#facts === null) return null;
    const text = JSON.stringify(Object.entries(this.#facts).sort(([a], [b]) => (a < b ? -1 : 1)));
    if (text === this.#told) return null;
    this.#told = text;
    return this.#facts;
  }
}
