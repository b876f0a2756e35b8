import { firewallStateOf, type ItemChange, planChange, restingPeer } from '@sallyport/agent-core';
import { AgentError } from '@sallyport/agent-runtime';
import type { StateItem } from '@sallyport/contract/channel';
import {
  Firewall,
  type FirewallCounters,
  type FirewallDelta,
  type FirewallState,
  type ForeignChange,
  type FoundFirewall,
  findForeignDrops,
  type HostFacts,
  type HostState,
  type Names,
  type NamesChange,
  type ProbeTarget,
  type TracedDrop,
  type Watch,
} from '@sallyport/hostnet';
import type { PathProbe } from '../probing/path-probe.ts';

type Items = ReadonlyMap<string, StateItem>;
type Overlay = HostState['overlay'];

/** Where the translation of host names comes from. */
export interface NameSource {
  /** Returns the whole translation, a view that may change later; null: there are no names. */
  takeAll(): Names | null;
  /** Returns what changed since either method was called; undefined: nothing, null: there are no names any more. */
  takeChanges(): NamesChange | null | undefined;
}

/** The nftables table of the tunnel, and the items from which it was built. */
export class FirewallSide {
  readonly #interface: string;
  readonly #onForeignChange: (change: ForeignChange) => void;
  readonly #watchFailed: (error: unknown) => void;
  #firewall: Firewall | null = null;
  #overlay: Overlay | null = null;
  #watch: Watch | null = null;
  #facts: HostFacts | null = null;
  readonly #names: NameSource | undefined;
  /** Items from which the table was built; null when the table may be wrong. */
  #items: Items | null = null;

  /**
   * `watchFailed` is called when nftables could not be watched, so changes may have been missed. Items that
   * were given must not change later.
   */
  constructor(
    name: string,
    onForeignChange: (change: ForeignChange) => void,
    watchFailed: (error: unknown) => void,
    names?: NameSource,
  ) {
    this.#interface = name;
    this.#names = names;
    this.#watchFailed = watchFailed;
    this.#onForeignChange = onForeignChange;
  }

  /** Whether a change can build on the existing table. */
  get ready(): boolean {
    return this.#items !== null;
  }

  /** Sets facts about the host for the next load. Returns whether they changed. */
  setFacts(facts: HostFacts): boolean {
    const same = JSON.stringify(facts) === JSON.stringify(this.#facts);
    this.#facts = facts;
    return !same;
  }

  /** Applies them at once if the table can be changed. */
  async renewFacts(facts: HostFacts, now: number): Promise<void> {
    const items = this.#items;
    if (this.setFacts(facts) && items !== null) await this.change({ settings: facts }, items, now);
  }

  /** Applies the present translation of names at once if the table can be changed. */
  async renewNames(now: number): Promise<void> {
    if (this.#items !== null) await this.change({}, this.#items, now);
  }

  /**
   * Makes the table match the items. Uses differences if it can, and verifies everything. `drift` lists differences
   * that other programs made. `retimed` sets all timeouts again, because the clock was wrong.
   */
  async load(
    items: Items,
    overlay: Overlay,
    {
      leaseUntil,
      now,
      retimed,
    }: { readonly leaseUntil: number; readonly now: () => number; readonly retimed: boolean },
  ): Promise<{ found: FoundFirewall; drift: readonly string[] }> {
    const known = retimed ? null : this.#items;
    const plan = known === null ? null : planChange(differences(known, items), items, leaseUntil, restingPeer);
    if (plan === null || !sameOverlay(this.#overlay, overlay)) {
      await this.#replace(items, overlay, leaseUntil, now());
      return { found: await this.#open(overlay).readBack(now()), drift: [] };
    }
    const settings = { ...plan.firewall.settings, ...this.#facts };
    const drift = await this.change({ ...plan.firewall, settings }, items, now());
    const firewall = this.#open(overlay);
    const found = await firewall.readBack(now());
    if (found.differences.length === 0) return { found, drift };
    await this.#replace(items, overlay, leaseUntil, now());
    return { found: await firewall.readBack(now()), drift: found.differences };
  }

  /**
   * Returns a sentence if other programs had changed the table: the kernel refused the change, and the whole table was
   * restored.
   */
  async change(delta: FirewallDelta, items: Items, now: number): Promise<readonly string[]> {
    if (this.#firewall === null) throw new AgentError('internal', 'the firewall was never loaded');
    this.#items = null;
    // If this fails, the next load takes all names.
    const names = this.#names?.takeChanges();
    const settings = names === undefined ? delta.settings : { ...delta.settings, names };
    const result = await this.#firewall.change({ ...delta, ...(settings && { settings }) }, now);
    this.#items = items;
    return result === 'reloaded' ? ['the table was not as it was left'] : [];
  }

  /** Verifies the elements that the last change touched. */
  async readBackTouched(now: number): Promise<FoundFirewall> {
    if (this.#firewall === null) throw new AgentError('internal', 'the firewall was never loaded');
    return this.#firewall.readBackTouched(now);
  }

  /** Loads a table that admits nothing. */
  async close(overlay: Overlay, now: number): Promise<void> {
    this.#items = null;
    await this.#open(overlay).load(this.#stateOf(new Map(), 0), now);
  }

  async counters(): Promise<FirewallCounters | null> {
    return this.#firewall === null ? null : this.#firewall.counters();
  }

  /** Returns the overlay of the table; null without a table. */
  get overlay(): Overlay | null {
    return this.#items === null ? null : this.#overlay;
  }

  /** Returns false when not possible now. */
  async admitProbes(targets: readonly PathProbe[]): Promise<boolean> {
    const wanted = targets.map(
      ({ target, port, protocol }): ProbeTarget => ({ address: target, port, ...(protocol && { protocol }) }),
    );
    return this.#firewall === null ? false : this.#firewall.admitProbes(wanted);
  }

  async passedProbes(): Promise<readonly ProbeTarget[]> {
    return this.#firewall === null ? [] : this.#firewall.passedProbes();
  }

  async endProbes(): Promise<void> {
    await this.#firewall?.endProbes();
  }

  async traceProbes(send: () => void, timeoutMs: number): Promise<TracedDrop | null> {
    return this.#firewall === null ? null : this.#firewall.traceProbes(send, timeoutMs);
  }

  /** Throws when a foreign chain drops packets that our table accepts. */
  async checkForeignChains(): Promise<void> {
    const [drop] = await findForeignDrops(this.#interface);
    if (drop === undefined) return;
    const where = `chain ${drop.chain} of table ${drop.family} ${drop.table}`;
    throw new AgentError(
      'foreign-chain-drops',
      `The ${where} drops the tunnel's packets at the ${drop.hook} hook. Let them through: ${drop.fix}`,
    );
  }

  /** Removes the table. Returns true when it existed. */
  async remove(): Promise<boolean> {
    await this.stop();
    this.#items = null;
    const firewall = this.#firewall ?? new Firewall({ interface: this.#interface, overlay: anyOverlay });
    const found = await firewall.readBack(0);
    await firewall.remove();
    return !found.differences.includes('the table does not exist');
  }

  /** Ends the watch; the table stays. */
  async stop(): Promise<void> {
    const watch = this.#watch;
    this.#watch = null;
    await watch?.close();
  }

  async #replace(items: Items, overlay: Overlay, leaseUntil: number, now: number): Promise<void> {
    this.#items = null;
    const firewall = this.#open(overlay);
    await firewall.load(this.#stateOf(items, leaseUntil), now);
    this.#items = items;
    this.#watch ??= await firewall.watch(this.#onForeignChange, this.#watchFailed);
  }

  #stateOf(items: Items, leaseUntil: number): FirewallState {
    const names = items.size === 0 ? null : (this.#names?.takeAll() ?? null);
    return { ...firewallStateOf(items, leaseUntil), ...this.#facts, ...(names && { names }) };
  }

  #open(overlay: Overlay): Firewall {
    if (this.#firewall !== null && sameOverlay(this.#overlay, overlay)) return this.#firewall;
    void this.stop();
    this.#overlay = overlay;
    this.#firewall = new Firewall({ interface: this.#interface, overlay });
    return this.#firewall;
  }
}

/** Overlay for the removal of a table, which does not depend on it. */
const anyOverlay: Overlay = { v4: '100.64.0.0/10', v6: 'fd00::/8' };

function sameOverlay(a: Overlay | null, b: Overlay): boolean {
  return a?.v4 === b.v4 && a.v6 === b.v6;
}

/** Items are immutable, so the same object is the same item. */
function differences(before: Items, after: Items): ItemChange[] {
  const changes: ItemChange[] = [];
  for (const [key, item] of before) {
    if (after.get(key) !== item) changes.push({ before: item, after: after.get(key) ?? null });
  }
  for (const [key, item] of after) if (!before.has(key)) changes.push({ before: null, after: item });
  return changes;
}
