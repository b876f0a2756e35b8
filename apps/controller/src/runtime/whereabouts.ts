import type { WorldChange, WorldDevice } from '@sallyport/policy';
import type { Countries } from '../countries.ts';

type Location = Pick<WorldDevice, 'sourceIp' | 'country'>;

/** Number of devices whose newest source address is kept. */
const rememberedDevices = 500_000;

/**
 * Source addresses of devices, as their gateways report them, in memory. Rows follow later, so these addresses are
 * newer than every row that this process reads.
 */
export class Whereabouts {
  readonly #countries: Countries;
  readonly #sources = new Map<string, string>();
  readonly #limit: number;

  constructor(countries: Countries, limit = rememberedDevices) {
    this.#countries = countries;
    this.#limit = limit;
  }

  moved(device: string, source: string): void {
    this.#sources.delete(device);
    this.#sources.set(device, source);
    const oldest = this.#sources.keys().next();
    if (this.#sources.size > this.#limit && !oldest.done) this.#sources.delete(oldest.value);
  }

  /** Returns the source address and country of a device. `stored`: the address in its row. */
  of(device: string, stored: string | null): Location {
    const sourceIp = this.#sources.get(device) ?? stored;
    return { sourceIp, country: sourceIp === null ? null : this.#countries.of(sourceIp) };
  }

  /** Returns a change with the present source address of its device. */
  located(change: WorldChange): WorldChange {
    if (change.kind !== 'device' || change.value === null) return change;
    return { ...change, value: { ...change.value, ...this.of(change.id, change.value.sourceIp) } };
  }
}
