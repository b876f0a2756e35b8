/** Difference between the clocks of agent and controller that counts as a fault of the host, milliseconds. */
const skewWarnMs = 60_000;

/** Warns once when the clock of an agent's host becomes wrong. */
export class HostClock {
  readonly #warn: (skewMs: number) => void;
  #skewed = false;

  constructor(warn: (skewMs: number) => void) {
    this.#warn = warn;
  }

  /** `skewMs`: how far the host's clock is ahead of ours. */
  observe(skewMs: number): void {
    const skewed = Math.abs(skewMs) > skewWarnMs;
    if (skewed && !this.#skewed) this.#warn(skewMs);
    this.#skewed = skewed;
  }

  /** Another agent has connected: a wrong clock is worth a warning again. */
  reset(): void {
    this.#skewed = false;
  }
}
