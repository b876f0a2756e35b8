/**
 * The controller's time as an agent knows it, epoch milliseconds. Before the controller was heard it follows the host's clock.
 * Afterwards it advances by the time since boot, so a jump of the host's clock moves no time limit.
 */
export class AgentClock {
  readonly #host: () => number;
  readonly #sinceBoot: () => number;
  #shift = 0;
  #anchor: { readonly now: number; readonly sinceBoot: number } | null = null;

  /** `host`: the host's clock. `sinceBoot`: milliseconds that also pass while the host sleeps, and never jump. */
  constructor(host: () => number, sinceBoot: () => number) {
    this.#host = host;
    this.#sinceBoot = sinceBoot;
  }

  readonly now = (): number => {
    if (this.#anchor === null) return this.#host() + this.#shift;
    return Math.round(this.#anchor.now + this.#sinceBoot() - this.#anchor.sinceBoot);
  };

  /** The host's clock, for what others measure by it, such as the times of WireGuard handshakes. */
  readonly hostNow = (): number => this.#host();

  /** Corrects the clock. `heard`: the controller itself said what time it is. */
  shift(ms: number, heard: boolean): void {
    const now = this.now() + ms;
    if (heard || this.#anchor !== null) this.#anchor = { now, sinceBoot: this.#sinceBoot() };
    else this.#shift += ms;
  }
}
