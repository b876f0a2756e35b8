/** Work in one step, in small units such as one item at one gateway: about a millisecond. */
const unitsPerStep = 500;

/** Counts the work of a generator that yields after each step, so that its caller can pause. */
export class Steps {
  #left = unitsPerStep;

  /** Adds work. Returns whether a step is complete. */
  done(units = 1): boolean {
    this.#left -= units;
    if (this.#left > 0) return false;
    this.#left = unitsPerStep;
    return true;
  }
}
