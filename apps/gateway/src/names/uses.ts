import type { NameItem } from '@sallyport/contract/channel';

/** Dependencies of a NameUses. */
export interface NameUsesOptions {
  /** Tells the controller that devices use these names. */
  readonly tell: (names: readonly string[]) => void;
  /** Names that a wildcard covers, with their virtual addresses. */
  readonly names: () => readonly NameItem[];
  /** Returns those of some addresses of one family to which flows are known. */
  readonly flowsTo: (addresses: ReadonlySet<string>) => Promise<ReadonlySet<string>>;
  /** Called with the first error of `flowsTo`, and again with the first one after a success. */
  readonly failed: (error: unknown) => void;
  /** Epoch milliseconds. */
  readonly now: () => number;
}

/** Time after which a name is told to the controller again. */
const againMs = 6 * 3_600_000;
const lookEveryMs = 3_600_000;
/** Names are told soon after a first use, and then together. */
const soonMs = 1_000;
const tellEveryMs = 60_000;
/** Names of one message. */
const mostAtOnce = 1_000;
const mostKept = 50_000;

/**
 * Tells the controller which names devices use, so that it keeps their addresses. A query is a use, and so is a flow that
 * the kernel knows. Many uses are one message, and each name is told again only after hours.
 */
export class NameUses {
  readonly #options: NameUsesOptions;
  readonly #told = new Map<string, number>();
  readonly #fresh = new Set<string>();
  #timer: NodeJS.Timeout | null = null;
  #flushedAt = Number.NEGATIVE_INFINITY;
  #looking: NodeJS.Timeout | null = null;
  #look: Promise<void> = Promise.resolve();
  #failing = false;

  constructor(options: NameUsesOptions) {
    this.#options = options;
  }

  /** Looks for flows now, because they may be older than this process, and then every hour. */
  follow(): void {
    if (this.#looking !== null) return;
    const look = () => {
      this.#look = this.#look.then(() => this.#noteFlows());
    };
    this.#looking = setInterval(look, lookEveryMs).unref();
    look();
  }

  /** A device was told the addresses of a name, or has a flow to one. */
  note(name: string): void {
    const { now } = this.#options;
    const told = this.#told.get(name);
    if (told !== undefined && Math.abs(now() - told) < againMs) return;
    if (this.#fresh.size >= mostKept) return;
    this.#fresh.add(name);
    const wait = Math.min(Math.max(this.#flushedAt + tellEveryMs - now(), soonMs), tellEveryMs);
    this.#timer ??= setTimeout(() => this.flush(), wait).unref();
  }

  /** Tells what is new at once. */
  flush(): void {
    const { now, tell } = this.#options;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    const names = [...this.#fresh];
    this.#fresh.clear();
    if (names.length > 0) this.#flushedAt = now();
    for (const name of names) {
      this.#told.delete(name);
      this.#told.set(name, now());
    }
    for (const name of [...this.#told.keys()].slice(0, Math.max(0, this.#told.size - mostKept)))
      this.#told.delete(name);
    for (let at = 0; at < names.length; at += mostAtOnce) tell(names.slice(at, at + mostAtOnce));
  }

  /** Ends the looks, and tells what is new. */
  async stop(): Promise<void> {
    if (this.#looking !== null) clearInterval(this.#looking);
    await this.#look;
    this.flush();
  }

  async #noteFlows(): Promise<void> {
    const { names, flowsTo, failed } = this.#options;
    const all = names().flatMap(({ id, addresses }) => addresses.map((address) => [address, id] as const));
    try {
      for (const isV6 of [false, true]) {
        const nameOf = new Map(all.filter(([address]) => address.includes(':') === isV6));
        if (nameOf.size === 0) continue;
        for (const address of await flowsTo(new Set(nameOf.keys()))) this.note(nameOf.get(address) ?? '');
      }
      this.#failing = false;
    } catch (error) {
      if (!this.#failing) failed(error);
      this.#failing = true;
    }
  }
}
