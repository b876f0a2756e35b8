import type { WorldChange, WorldDevice } from '@sallyport/policy';
import type { Countries } from '../countries.ts';

type Location = Pick<WorldDevice, 'sourceIp' | 'country'>;

/** Devices whose newest source address is kept, of however many there ever were. */
const rememberedDevices = 500_000;

/**
 * Where devices are, as their gateways tell, in memory: the rows follow later. What is here is newer than any row that this
 * process reads.
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

  /** Source address and country of a device. `stored`: the address in its row. */
  of(device: string, stored: string | null): Location {
    const sourceIp = this.#sources.get(device) ?? stored;
    return { sourceIp, country: sourceIp === null ? null : this.#countries.of(sourceIp) };
  }

  /** A change as it is by now: devices get the place where they are. */
  located(change: WorldChange): WorldChange {
    if (change.kind !== 'device' || change.value === null) return change;
    return { ...change, value: { ...change.value, ...this.of(change.id, change.value.sourceIp) } };
  }
}
