import type { NamingOutcome } from '@sallyport/agent-runtime';
import type { AddressType, UpstreamAnswer } from './upstream.ts';

/** Dependencies of the new names of a gateway. */
export interface NewNamesOptions {
  readonly ask: (name: string, type: AddressType) => Promise<UpstreamAnswer>;
  readonly isForbidden: (address: string) => boolean;
  /** Epoch milliseconds. */
  readonly now: () => number;
  /** Asks the controller for a name in behalf of a device. `named` takes the answer. */
  readonly request: (name: string, device: string) => void;
}

/** Why a query for a new name gets no address. */
export type NewNameCode = 'NXDOMAIN' | 'SERVFAIL' | 'REFUSED';

interface Waiting {
  readonly device: string;
  readonly answer: (outcome: NamingOutcome) => void;
  readonly arrive: () => void;
  readonly done: Promise<NewNameCode | null>;
}

const patienceMs = 5_000;
const mostWaiting = 200;
const mostWaitingOfDevice = 20;
const mostRemembered = 2_000;
const longestNegativeMs = 60_000;
const shortestNegativeMs = 5_000;
/** Time for which a device with too many new names is not asked for. */
const restMs = 10_000;
/** Requests to the controller. */
const requestBurst = 50;
const requestsPerSecond = 20;

/**
 * Names that only a wildcard covers, until the controller gives them addresses. A name that does not exist costs the
 * controller nothing: the gateway resolves it first.
 */
export class NewNames {
  readonly #options: NewNamesOptions;
  readonly #waiting = new Map<string, Waiting>();
  /** Names without addresses, the oldest first. */
  readonly #missing = new Map<string, { readonly code: NewNameCode; readonly until: number }>();
  /** Devices that have had as many new names as they may have for now. */
  readonly #resting = new Map<string, number>();
  #requests = requestBurst;
  #requestsAt = 0;

  constructor(options: NewNamesOptions) {
    this.#options = options;
  }

  /** Returns null as soon as the gateway has the name, else why it has not. */
  find(name: string, device: string): Promise<NewNameCode | null> {
    const now = this.#options.now();
    const missing = this.#missing.get(name);
    if (missing !== undefined && now < missing.until) return Promise.resolve(missing.code);
    const known = this.#waiting.get(name);
    if (known !== undefined) return known.done;
    const own = [...this.#waiting.values()].filter((one) => one.device === device).length;
    const busy = this.#waiting.size >= mostWaiting || own >= mostWaitingOfDevice;
    if (busy || now < (this.#resting.get(device) ?? 0)) return Promise.resolve('SERVFAIL');
    return this.#begin(name, device);
  }

  /** Takes the controller's answer. */
  named(name: string, outcome: NamingOutcome): void {
    this.#waiting.get(name)?.answer(outcome);
  }

  /** To be called with new items, before they are applied. */
  arrived(has: (name: string) => boolean): void {
    for (const [name, { arrive }] of this.#waiting) if (has(name)) arrive();
  }

  #begin(name: string, device: string): Promise<NewNameCode | null> {
    const outcome = Promise.withResolvers<NamingOutcome>();
    const arrival = Promise.withResolvers<void>();
    const done = this.#give(name, device, outcome.promise, arrival.promise).finally(() => this.#waiting.delete(name));
    this.#waiting.set(name, { device, answer: outcome.resolve, arrive: arrival.resolve, done });
    return done;
  }

  async #give(
    name: string,
    device: string,
    answer: Promise<NamingOutcome>,
    arrival: Promise<void>,
  ): Promise<NewNameCode | null> {
    const missing = await this.#resolve(name);
    if (missing !== null) return missing;
    if (!this.#mayRequest()) return 'SERVFAIL';
    this.#options.request(name, device);
    const end = Date.now() + patienceMs;
    const outcome = await within(answer, patienceMs);
    if (outcome === 'none') return this.#remember(name, 'REFUSED', longestNegativeMs);
    if (outcome === 'later') this.#rest(device);
    if (outcome !== 'given') return 'SERVFAIL';
    return (await within(arrival, end - Date.now())) === undefined ? 'SERVFAIL' : null;
  }

  /** Returns null when the name has an address that it may have. */
  async #resolve(name: string): Promise<NewNameCode | null> {
    const { ask, isForbidden } = this.#options;
    const settled = await Promise.allSettled([ask(name, 'A'), ask(name, 'AAAA')]);
    const answers = settled.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
    if (answers.some(({ addresses }) => addresses.some((address) => !isForbidden(address)))) return null;
    if (answers.length < settled.length) return 'SERVFAIL';
    const ttlMs = Math.min(...answers.map(({ ttl }) => ttl)) * 1000;
    return this.#remember(name, 'NXDOMAIN', Math.min(Math.max(ttlMs, shortestNegativeMs), longestNegativeMs));
  }

  #remember(name: string, code: NewNameCode, ms: number): NewNameCode {
    this.#missing.delete(name);
    this.#missing.set(name, { code, until: this.#options.now() + ms });
    if (this.#missing.size > mostRemembered) this.#missing.delete(this.#missing.keys().next().value ?? '');
    return code;
  }

  #rest(device: string): void {
    const now = this.#options.now();
    for (const [other, until] of this.#resting) if (until <= now) this.#resting.delete(other);
    this.#resting.set(device, now + restMs);
  }

  /** The controller ends the connection of an agent that sends too much. */
  #mayRequest(): boolean {
    const now = this.#options.now();
    const gained = (Math.max(0, now - this.#requestsAt) / 1000) * requestsPerSecond;
    this.#requests = Math.min(requestBurst, this.#requests + gained);
    this.#requestsAt = now;
    if (this.#requests < 1) return false;
    this.#requests -= 1;
    return true;
  }
}

/** Waits for a promise, but not longer; undefined: the time is over. A promise of nothing gives null. */
async function within<T>(promise: Promise<T>, ms: number): Promise<Exclude<T, void> | null | undefined> {
  const over = Promise.withResolvers<undefined>();
  const timer = setTimeout(over.resolve, Math.max(ms, 0), undefined);
  const value = promise.then((found) => (found ?? null) as Exclude<T, void> | null);
  return Promise.race([value, over.promise]).finally(() => clearTimeout(timer));
}
