/** Devices whose last handshake is kept in memory. */
const rememberedDevices = 500_000;

/** Last handshakes of devices with any gateway, epoch milliseconds. */
export class LastHandshakes {
  readonly #moments = new Map<string, number>();

  of(device: string): number | null {
    return this.#moments.get(device) ?? null;
  }

  /** Returns false when a later handshake is known. */
  note(device: string, at: number): boolean {
    const before = this.#moments.get(device);
    if (before !== undefined && before >= at) return false;
    this.#moments.delete(device);
    this.#moments.set(device, at);
    const oldest = this.#moments.keys().next();
    if (this.#moments.size > rememberedDevices && !oldest.done) this.#moments.delete(oldest.value);
    return true;
  }
}
