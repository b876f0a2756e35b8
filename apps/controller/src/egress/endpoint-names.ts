import { systemAddresses } from './egress.ts';
import { type EgressSettings, EgressTargets } from './targets.ts';

const timeoutMs = 2_000;
/** Each lookup occupies a thread until the resolver answers; half of the threads stay free for other work. */
const lookupsAtOnce = 2;
const rememberedMs = 60_000;
const mostRemembered = 1_000;

interface Remembered {
  readonly addresses: Promise<readonly string[] | null>;
  readonly until: number;
}

/**
 * Addresses of the names that tenants give as endpoints, as far as a tenant may learn them: public ones, or all with
 * `SALLYPORT_EGRESS_DETAILS`. A name that only resolves inside tells about the inside.
 */
export class EndpointNames {
  readonly #targets: EgressTargets;
  readonly #details: boolean;
  readonly #now: () => number;
  readonly #look: (name: string) => Promise<readonly string[]>;
  readonly #remembered = new Map<string, Remembered>();
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  constructor(settings: EgressSettings, now: () => number, look = systemAddresses) {
    this.#targets = new EgressTargets(settings);
    this.#details = settings.details;
    this.#now = now;
    this.#look = look;
  }

  /**
   * Returns sorted addresses; null when there are none, none in time, or one that tenants may not see. Never rejects.
   * Null always takes the full time, so that the time reveals nothing.
   */
  async of(name: string): Promise<readonly string[] | null> {
    const known = this.#remembered.get(name);
    if (known !== undefined && known.until > this.#now()) return known.addresses;
    return this.#ask(name);
  }

  #ask(name: string): Promise<readonly string[] | null> {
    const late = new Promise<null>((resolve) => setTimeout(resolve, timeoutMs, null).unref());
    const asked = this.#inTurn(name).then((found) => this.#told(found));
    const addresses = Promise.race([asked.then((told) => told ?? (this.#details ? null : late)), late]);
    this.#remembered.delete(name);
    this.#remembered.set(name, { addresses, until: this.#now() + rememberedMs });
    const [oldest] = this.#remembered.keys();
    if (this.#remembered.size > mostRemembered && oldest !== undefined) this.#remembered.delete(oldest);
    return addresses;
  }

  async #inTurn(name: string): Promise<readonly string[]> {
    if (this.#waiting.length >= mostRemembered) return [];
    if (this.#running >= lookupsAtOnce) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#running++;
    try {
      return await this.#look(name);
    } catch {
      return [];
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#running--;
      else next();
    }
  }

  #told(addresses: readonly string[]): readonly string[] | null {
    const told = this.#details || addresses.every((address) => this.#targets.mayBeTold(address));
    return told && addresses.length > 0 ? [...new Set(addresses)].sort() : null;
  }
}
