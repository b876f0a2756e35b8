/** Dependencies of an AddressHealth. */
export interface AddressHealthOptions {
  /** Returns whether an address answers at a TCP port, or an ICMP echo without one. */
  readonly probe: (address: string, port: number | null) => Promise<boolean>;
  /** Called when an address of a name begins or ceases to answer. */
  readonly changed: (name: string, address: string, answers: boolean) => void;
  /** Called when an address that a name once had no longer answers. */
  readonly gone: (name: string, address: string) => void;
  /** Time between two looks at an address. */
  readonly everyMs?: number;
}

/** What a name has by the last answers of resolvers, the address in use first. */
export interface RealAddresses {
  readonly v4: readonly string[];
  readonly v6: readonly string[];
  readonly port: number | null;
}

interface Watched {
  addresses: RealAddresses;
  /** Addresses to which flows may still lead, the newest last. */
  readonly used: Set<string>;
  readonly down: Set<string>;
}

const usualMs = 10_000;
/** With many addresses each is looked at less often. */
const mostPerSecond = 50;
const mostAtOnce = 32;
const mostUsed = 16;
/** A lost packet is no failure. */
const tries = 2;

/**
 * Looks at the real addresses of names that have several in one family, and at addresses that names no longer have,
 * because flows may still lead there.
 */
export class AddressHealth {
  readonly #options: AddressHealthOptions;
  readonly #names = new Map<string, Watched>();
  readonly #watched = new Set<string>();
  readonly #queue: string[] = [];
  #workers = 0;
  #timer: NodeJS.Timeout | null = null;
  #stopped = false;

  constructor(options: AddressHealthOptions) {
    this.#options = options;
  }

  /** Sets the addresses of a name. */
  expect(name: string, addresses: RealAddresses): void {
    const known = this.#names.get(name) ?? { addresses, used: new Set<string>(), down: new Set<string>() };
    this.#names.set(name, known);
    known.addresses = addresses;
    for (const [first] of [addresses.v4, addresses.v6]) {
      if (first === undefined) continue;
      known.used.delete(first);
      known.used.add(first);
    }
    for (const oldest of [...known.used].slice(0, -mostUsed)) known.used.delete(oldest);
    for (const address of known.down) if (!has(addresses, address)) known.down.delete(address);
    if (targetsOf(known).length === 0) return void this.#watched.delete(name);
    if (!this.#watched.has(name)) this.#queue.push(name);
    this.#watched.add(name);
    this.#work();
    this.#start();
  }

  /** Forgets a name. */
  remove(name: string): void {
    this.#names.delete(name);
    this.#watched.delete(name);
  }

  /** Names with addresses to which flows may lead. */
  names(): Iterable<string> {
    return this.#names.keys();
  }

  /** Forgets and returns the addresses of a name to which flows may lead, and must not. */
  takeForbidden(name: string, isForbidden: (address: string) => boolean): string[] {
    const known = this.#names.get(name);
    const found = [...(known?.used ?? [])].filter(isForbidden);
    for (const address of found) known?.used.delete(address);
    return found;
  }

  stop(): void {
    this.#stopped = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
  }

  #start(): void {
    if (this.#stopped || this.#timer !== null || this.#watched.size === 0) return;
    const least = Math.ceil((this.#watched.size * 2 * 1000) / mostPerSecond);
    this.#timer = setTimeout(() => this.#turn(), Math.max(this.#options.everyMs ?? usualMs, least)).unref();
  }

  #turn(): void {
    this.#timer = null;
    // What is slow to answer is not asked more often.
    if (this.#queue.length === 0) this.#queue.push(...this.#watched);
    this.#work();
    this.#start();
  }

  #work(): void {
    for (; this.#workers < Math.min(mostAtOnce, this.#queue.length); this.#workers++) void this.#lookAtAll();
  }

  async #lookAtAll(): Promise<void> {
    for (let name = this.#queue.pop(); name !== undefined && !this.#stopped; name = this.#queue.pop()) {
      const known = this.#names.get(name);
      if (known !== undefined) for (const address of targetsOf(known)) await this.#look(name, address, known);
    }
    this.#workers -= 1;
  }

  async #look(name: string, address: string, known: Watched): Promise<void> {
    const answers = await this.#answers(address, known.addresses.port);
    if (this.#stopped || this.#names.get(name) !== known) return;
    if (!has(known.addresses, address)) {
      if (answers || !known.used.delete(address)) return;
      if (targetsOf(known).length === 0) this.#watched.delete(name);
      return this.#options.gone(name, address);
    }
    if (answers === !known.down.has(address)) return;
    known.down[answers ? 'delete' : 'add'](address);
    this.#options.changed(name, address, answers);
  }

  async #answers(address: string, port: number | null): Promise<boolean> {
    for (let i = 0; i < tries; i++) if (await this.#options.probe(address, port)) return true;
    return false;
  }
}

function has({ v4, v6 }: RealAddresses, address: string): boolean {
  return v4.includes(address) || v6.includes(address);
}

/** Addresses to look at: all of a family with several, and those that the name no longer has. */
function targetsOf({ addresses, used }: Watched): string[] {
  const several = [addresses.v4, addresses.v6].filter(({ length }) => length > 1).flat();
  return [...several, ...[...used].filter((address) => !has(addresses, address))];
}
