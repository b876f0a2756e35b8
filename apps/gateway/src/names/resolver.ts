import type { NameItem } from '@sallyport/contract/channel';
import type { Names } from '@sallyport/hostnet';
import { isWildcard } from '@sallyport/ip';
import { DueQueue } from './due.ts';
import { Translation } from './translation.ts';
import type { AddressType, UpstreamAnswer } from './upstream.ts';

/** What is known about the real addresses of a name in one family. */
export interface Known {
  readonly addresses: readonly string[];
  /** Epoch milliseconds of the last answer of a resolver. */
  readonly at: number;
}

/** What is known about the real addresses of a name. */
export interface NameState {
  readonly A: Known | null;
  readonly AAAA: Known | null;
  /** Why no address is usable, as a sentence; null: one is, or no answer has come yet. */
  readonly fault: string | null;
}

/** Dependencies of a Resolver. */
export interface ResolverOptions {
  readonly ask: (name: string, type: AddressType) => Promise<UpstreamAnswer>;
  readonly isForbidden: (address: string) => boolean;
  /** Epoch milliseconds. */
  readonly now: () => number;
  /** Called after the addresses or the fault of a name changed. */
  readonly changed: (name: string) => void;
}

interface Entry {
  item: NameItem;
  state: NameState;
  nextAt: number;
  failures: number;
  running: Promise<void> | null;
  /** Whether the answer that is awaited may be that of a resolver that no longer counts. */
  again: boolean;
  /** Real addresses that do not answer. They come last. */
  readonly down: Set<string>;
}

const unknown: NameState = { A: null, AAAA: null, fault: null };
const shortestMs = 5_000;
const longestMs = 300_000;
const longestNegativeMs = 60_000;
/** Time for which answers are used while no resolver answers. */
const staleMs = 24 * 3_600_000;
/** Names that are resolved at the same time. */
const mostAtOnce = 32;
const pauseMs = 5;

/**
 * Keeps the real addresses of names. Each name is asked for again when its answer gets old. While resolvers fail, the last
 * answer stays in use. A forbidden address counts as none.
 */
export class Resolver {
  readonly #options: ResolverOptions;
  readonly #entries = new Map<string, Entry>();
  readonly #due = new DueQueue<Entry>((entry) => this.#entries.get(entry.item.id) === entry && entry.running === null);
  /** What the states say, and what changed in it. */
  readonly changes = new Translation();
  #always = false;
  /** There is nothing to resolve for these, but devices may ask for names that they cover. */
  readonly #wildcards = new Set<string>();
  #timer: NodeJS.Timeout | null = null;
  #running = 0;
  #stopped = false;
  #soon = false;
  #remembered: ReadonlyMap<string, NameState>;

  /** `remembered`: answers of an earlier process. */
  constructor(options: ResolverOptions, remembered: ReadonlyMap<string, NameState>) {
    this.#options = options;
    this.#remembered = remembered;
  }

  /** Sets the names to resolve. */
  expect(items: readonly NameItem[]): void {
    const wanted = new Set(items.map(({ id }) => id));
    const changed = items
      .filter(({ id }) => !this.#wildcards.has(id))
      .filter((item) => this.#entries.get(item.id)?.item !== item);
    this.change(
      changed,
      [...this.#entries.keys(), ...this.#wildcards].filter((id) => !wanted.has(id)),
    );
  }

  /** Adds or replaces names, and removes others. The cost depends on these alone. */
  change(items: readonly NameItem[], removed: readonly string[]): void {
    // An address may move from one name to another.
    for (const id of [...removed, ...items.map((item) => item.id)]) this.#release(this.#entries.get(id));
    for (const id of removed) {
      this.#entries.delete(id);
      this.#wildcards.delete(id);
    }
    for (const item of items) {
      if (isWildcard(item.id)) {
        this.#wildcards.add(item.id);
        continue;
      }
      const known = this.#entries.get(item.id);
      if (known !== undefined) known.item = item;
      const entry = known ?? this.#open(item);
      this.#translate(entry);
    }
    this.#renewPresence();
    this.#schedule();
  }

  /** Sets whether there is a translation without names too: devices may ask for other names. */
  set always(always: boolean) {
    this.#always = always;
    this.#renewPresence();
  }

  #renewPresence(): void {
    this.changes.present = this.#always || this.#entries.size + this.#wildcards.size > 0;
  }

  #open(item: NameItem): Entry {
    const state = this.#allowed(item.id, this.#remembered.get(item.id) ?? unknown);
    const entry: Entry = { item, state, nextAt: 0, failures: 0, running: null, again: false, down: new Set() };
    this.#entries.set(item.id, entry);
    this.#due.set(entry, 0, this.#entries.size);
    return entry;
  }

  /** Asks for all names again soon, because other resolvers may answer now. */
  renew(): void {
    for (const entry of this.#entries.values()) {
      entry.again = entry.running !== null;
      this.#due.set(entry, 0, this.#entries.size);
    }
    this.#schedule();
  }

  /** Takes note of whether a real address of a name answers. New flows go to one that does, if there is one. */
  note(name: string, address: string, answers: boolean): void {
    const entry = this.#entries.get(name);
    if (entry === undefined) return;
    entry.down[answers ? 'delete' : 'add'](address);
    const { A, AAAA, fault } = entry.state;
    const sorted = (known: Known | null) => known && { ...known, addresses: downLast(known.addresses, entry.down) };
    const state = { A: sorted(A), AAAA: sorted(AAAA), fault };
    if (same(state, entry.state)) return;
    entry.state = state;
    this.#translate(entry);
    this.#options.changed(name);
  }

  /** Leaves addresses that are forbidden by now at once. Names that had no other one are asked for again. */
  recheck(): void {
    for (const [name, entry] of this.#entries) {
      const state = this.#allowed(name, entry.state);
      if (state !== entry.state) {
        entry.state = state;
        this.#translate(entry);
        this.#options.changed(name);
      }
      if (state.fault !== null) this.#due.set(entry, 0, this.#entries.size);
    }
    this.#schedule();
  }

  #allowed(name: string, state: NameState): NameState {
    const known = [state.A, state.AAAA].flatMap((answer) => answer?.addresses ?? []);
    const bad = new Set(known.filter((address) => this.#options.isForbidden(address)));
    if (bad.size === 0) return state;
    const left = (answer: Known | null) =>
      answer && { ...answer, addresses: answer.addresses.filter((address) => !bad.has(address)) };
    const fault = bad.size === known.length ? forbiddenFault(name, known[0] ?? '') : null;
    return { A: left(state.A), AAAA: left(state.AAAA), fault };
  }

  /** Real addresses by virtual address, a live view; null: there are no names. */
  get translation(): Names | null {
    return this.changes.names;
  }

  /** Returns what is known about a name; undefined for another name. */
  state(name: string): NameState | undefined {
    return this.#entries.get(name)?.state;
  }

  /** Returns the known names with their states. */
  states(): ReadonlyMap<string, NameState> {
    return new Map([...this.#entries].map(([id, { state }]) => [id, state]));
  }

  /** Returns what is known about a name, undefined for another name. Waits for the first answer, but not long. */
  async lookUp(name: string, patienceMs: number): Promise<NameState | undefined> {
    const entry = this.#entries.get(name);
    if (entry === undefined) return undefined;
    if (entry.state !== unknown) return entry.state;
    await Promise.race([this.#refresh(entry), new Promise((resolve) => setTimeout(resolve, patienceMs).unref())]);
    return entry.state;
  }

  /** Asks for all names now. */
  async refreshAll(): Promise<void> {
    for (const entry of this.#entries.values()) this.#due.set(entry, 0, this.#entries.size);
    await Promise.all([...this.#entries.values()].slice(0, mostAtOnce).map((entry) => this.#refresh(entry)));
    this.#schedule();
  }

  stop(): void {
    this.#stopped = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
  }

  #translate({ item, state }: Entry): void {
    for (const virtual of item.addresses) {
      const [real] = state[virtual.includes(':') ? 'AAAA' : 'A']?.addresses ?? [];
      this.changes.set(virtual, real ?? null);
    }
  }

  #release(entry: Entry | undefined): void {
    for (const virtual of entry?.item.addresses ?? []) this.changes.set(virtual, null);
  }

  #schedule(): void {
    if (this.#stopped) return;
    const now = this.#options.now();
    while (this.#running < mostAtOnce) {
      const entry = this.#due.take(now);
      if (entry === null) break;
      void this.#refresh(entry);
    }
    const next = this.#running < mostAtOnce ? this.#due.nextAt : Number.POSITIVE_INFINITY;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = Number.isFinite(next) ? setTimeout(() => this.#schedule(), Math.max(next - now, 1)).unref() : null;
  }

  /** Looks for due names once, however many answers came. */
  #scheduleSoon(): void {
    if (this.#stopped || this.#soon) return;
    this.#soon = true;
    setTimeout(() => {
      this.#soon = false;
      this.#schedule();
    }, pauseMs).unref();
  }

  #refresh(entry: Entry): Promise<void> {
    entry.running ??= this.#resolve(entry).finally(() => {
      entry.running = null;
      this.#running -= 1;
      this.#scheduleSoon();
    });
    return entry.running;
  }

  async #resolve(entry: Entry): Promise<void> {
    this.#running += 1;
    const name = entry.item.id;
    const ask = (type: AddressType) => this.#options.ask(name, type).catch((error: Error) => error);
    const [a, aaaa] = await Promise.all([ask('A'), ask('AAAA')]);
    const now = this.#options.now();
    const before = entry.state;
    const A = this.#known(a, before.A, now, entry.down);
    const AAAA = this.#known(aaaa, before.AAAA, now, entry.down);
    forgetOthers(entry.down, [A, AAAA]);
    const usable = [A, AAAA].some((known) => (known?.addresses.length ?? 0) > 0);
    entry.state = { A, AAAA, fault: usable ? null : faultOf(name, a, aaaa) };
    if (this.#entries.get(name) !== entry) return;
    const wait = this.#waitOf(entry, [a, aaaa]);
    this.#due.set(entry, entry.again ? now : now + wait, this.#entries.size);
    entry.again = false;
    if (same(before, entry.state)) return;
    this.#translate(entry);
    this.#options.changed(name);
  }

  /** An address that is in use stays the first one while the answer contains it, and it answers. */
  #known(answer: UpstreamAnswer | Error, before: Known | null, now: number, down: ReadonlySet<string>): Known | null {
    if (answer instanceof Error) return before !== null && now - before.at < staleMs ? before : null;
    const [current] = before?.addresses ?? [];
    const addresses = answer.addresses.filter((address) => !this.#options.isForbidden(address)).sort();
    const kept = addresses.filter((address) => address === current);
    const others = addresses.filter((address) => address !== current);
    return { addresses: downLast([...kept, ...others], down), at: now };
  }

  #waitOf(entry: Entry, answers: readonly (UpstreamAnswer | Error)[]): number {
    if (answers.some((answer) => answer instanceof Error)) {
      entry.failures += 1;
      return Math.min(shortestMs * 2 ** Math.min(entry.failures - 1, 8), longestNegativeMs);
    }
    entry.failures = 0;
    const found = answers.flatMap((answer) => (answer instanceof Error || answer.addresses.length === 0 ? [] : answer));
    const ttls = (found.length > 0 ? found : (answers as readonly UpstreamAnswer[])).map(({ ttl }) => ttl * 1000);
    return Math.min(Math.max(Math.min(...ttls), shortestMs), found.length > 0 ? longestMs : longestNegativeMs);
  }
}

function downLast(addresses: readonly string[], down: ReadonlySet<string>): string[] {
  return [...addresses.filter((each) => !down.has(each)), ...addresses.filter((each) => down.has(each))];
}

function forgetOthers(down: Set<string>, known: readonly (Known | null)[]): void {
  const present = new Set(known.flatMap((answer) => answer?.addresses ?? []));
  for (const address of down) if (!present.has(address)) down.delete(address);
}

const forbiddenFault = (name: string, address: string): string =>
  `${name} has the address ${address}, which no name may have`;

function faultOf(name: string, ...answers: readonly (UpstreamAnswer | Error)[]): string {
  const failure = answers.find((answer) => answer instanceof Error);
  if (failure !== undefined) return `${name} could not be resolved: ${failure.message}`;
  const found = (answers as readonly UpstreamAnswer[]).flatMap(({ addresses }) => addresses);
  if (found[0] !== undefined) return forbiddenFault(name, found[0]);
  const missing = (answers as readonly UpstreamAnswer[]).some(({ reason }) => reason === 'NXDOMAIN');
  return missing ? `The resolver says that ${name} does not exist` : `The resolver knows no address of ${name}`;
}

function same(a: NameState, b: NameState): boolean {
  const text = ({ A, AAAA, fault }: NameState) => JSON.stringify([A?.addresses, AAAA?.addresses, fault]);
  return text(a) === text(b);
}
