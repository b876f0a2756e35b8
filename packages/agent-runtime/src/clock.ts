/**
 * The controller's time as known to an agent, in epoch milliseconds. It follows the host's clock until the first message of
 * the controller. Afterwards it advances by the time since boot, so a jump of the host's clock moves no time limit.
 */
export class AgentClock {
  readonly #host: () => number;
  readonly #sinceBoot: () => number;
  #shift = 0;
  #anchor: { readonly now: number; readonly sinceBoot: number } | null = null;

  /** `host`: the host's clock. `sinceBoot`: monotonic milliseconds that also count while the host sleeps. */
  constructor(host: () => number, sinceBoot: () => number) {
    this.#host = host;
    this.#sinceBoot = sinceBoot;
  }

  readonly now = (): number => {
    if (this.#anchor === null) return this.#host() + this.#shift;
    return Math.round(this.#anchor.now + this.#sinceBoot() - this.#anchor.sinceBoot);
  };

  /** Returns the host's clock, for times that other programs take from it, such as those of WireGuard handshakes. */
  readonly hostNow = (): number => this.#host();

  /** Corrects the clock. `heard`: the correction comes from the controller. */
  shift(ms: number, heard: boolean): void {
    const now = this.now() + ms;
    if (heard || this.#anchor !== null) this.#anchor = { now, sinceBoot: this.#sinceBoot() };
    else this.#shift += ms;
  }
}
