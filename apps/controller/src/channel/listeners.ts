/** Listeners to one kind of event. A failure of one listener reaches no other. */
export class Listeners<A extends readonly [id: string, ...unknown[]]> {
  readonly #failed: (id: string, error: unknown) => void;
  readonly #all = new Set<(...event: A) => void>();

  /** `failed` gets what listeners throw, with the id that the event is about. */
  constructor(failed: (id: string, error: unknown) => void) {
    this.#failed = failed;
  }

  /** Returns the function that ends it. The same listener may be added twice. */
  add(listener: (...event: A) => void): () => void {
    const own = (...event: A) => listener(...event);
    this.#all.add(own);
    return () => this.#all.delete(own);
  }

  clear(): void {
    this.#all.clear();
  }

  tell(...event: A): void {
    for (const listener of this.#all) {
      try {
        listener(...event);
      } catch (error) {
        this.#failed(event[0], error);
      }
    }
  }
}
