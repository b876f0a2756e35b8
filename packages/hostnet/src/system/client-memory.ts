import { batchChanges, type ClientChange, changeKey, reportedChange, withChanges } from '../client/change.ts';
import type { FoundClient } from '../client/found.ts';
import { concernsClient, touchesFound } from '../client/monitor.ts';
import { tableName } from '../firewall/ruleset.ts';
import type { HostPlan } from '../host/batch.ts';
import { MONITOR_ARGUMENTS } from '../host/monitor.ts';
import type { ClientHostState } from '../types.ts';
import { Follower } from './follow.ts';
import { type HostWatch, JoinedReports } from './host-watch.ts';
import { ipWriter } from './ip-writer.ts';
import { type OwnTransaction, type Watch, watchTable } from './watch.ts';

/** Milliseconds to wait for the kernel's reports of our own changes. */
const CONFIRM_MS = 1_000;

/** A state to compare the host with, and the callback for reports. */
interface Watcher {
  readonly state: ClientHostState;
  readonly report: () => void;
  readonly failed: (error: unknown) => void;
}

/** The monitors that run while somebody watches. */
interface Monitors {
  readonly network: Follower;
  readonly table: Watch;
  readonly joined: JoinedReports;
}

/**
 * Remembers what the host has, from a full read and our own changes since. It forgets everything when a monitor of the
 * kernel reports any other change, or when a monitor may have missed one: the next read is then a full one.
 *
 * The monitors run while somebody watches. A new watch takes over those of the watch before it.
 */
export class ClientMemory {
  readonly #writers = { 4: ipWriter(4), 6: ipWriter(6) } as const;
  readonly #watchers: Watcher[] = [];
  #monitors: Monitors | null = null;
  /** Monitors to which the kernel reports every change. */
  readonly #listening = new Set<'network' | 'table'>();
  #found: FoundClient | null = null;
  #doubts = 0;
  /** Number of doubts when the writers last learned the interfaces. */
  #writersKnow = -1;
  #expected: Expected | null = null;

  /** What the host has; null if only a full read can tell. */
  get found(): FoundClient | null {
    return this.#found;
  }

  /** Reads everything, and remembers it unless it may have changed meanwhile. */
  async read(find: () => Promise<FoundClient>): Promise<FoundClient> {
    const before = this.#doubts;
    const found = await find();
    if (this.#doubts !== before || !this.#isComplete) return found;
    this.#found = found;
    this.#refreshWriters(found);
    return found;
  }

  /** Forgets what the host has. */
  doubt(): void {
    this.#doubts += 1;
    this.#found = null;
    this.#expected?.giveUp();
  }

  /**
   * Carries out a plan of routes and rules for what is remembered. `confirmed`: the kernel reported exactly these
   * changes, and they are remembered. `doubtful`: any part of them may be in force. `impossible`: nothing was done.
   */
  async write({ ip4, ip6 }: Pick<HostPlan, 'ip4' | 'ip6'>, own: ClientHostState): Promise<WriteOutcome> {
    const [found, changes4, changes6] = [this.#found, batchChanges(ip4, own), batchChanges(ip6, own)];
    if (found === null || changes4 === null || changes6 === null) return 'impossible';
    const expected = new Expected([...changes4, ...changes6]);
    this.#expected = expected;
    const write = async (family: 4 | 6, text: string) => text !== '' && (await this.#writers[family].ask(text));
    const written = await Promise.allSettled([write(4, ip4), write(6, ip6)]);
    const end = written.every(({ status }) => status === 'fulfilled') ? await expected.end : 'doubt';
    this.#expected = null;
    if (end === 'silence') this.#monitors?.network.restart();
    if (end !== 'confirmed') {
      this.doubt();
      return 'doubtful';
    }
    this.#found = withChanges(withChanges(found, 4, changes4), 6, changes6);
    return 'confirmed';
  }

  /** Announces a transaction of ours in nftables. */
  expectOwn(): OwnTransaction | null {
    return this.#monitors?.table.expectOwn() ?? null;
  }

  /** See `ClientHost.watch`. */
  watch(state: ClientHostState, report: () => void, failed: (error: unknown) => void): HostWatch {
    const watcher = { state, report, failed };
    this.#watchers.push(watcher);
    this.#monitors ??= this.#listen(state.interface);
    return {
      close: async () => {
        const at = this.#watchers.indexOf(watcher);
        if (at >= 0) this.#watchers.splice(at, 1);
        if (this.#watchers.length === 0) await this.stop();
      },
    };
  }

  /** Ends the monitors and the writers. */
  async stop(): Promise<void> {
    const monitors = this.#monitors;
    this.#monitors = null;
    this.#listening.clear();
    this.doubt();
    for (const writer of Object.values(this.#writers)) writer.renew();
    monitors?.joined.close();
    await Promise.all([monitors?.network.close(), monitors?.table.close()]);
  }

  get #isComplete(): boolean {
    return this.#listening.size === 2;
  }

  #listen(name: string): Monitors {
    const failed = (error: unknown): void => this.#watchers.at(-1)?.failed(error);
    const joined = new JoinedReports(() => this.#watchers.at(-1)?.report(), failed);
    const changed = (): void => {
      this.doubt();
      joined.changed();
    };
    const listening = (which: 'network' | 'table') => (on: boolean) => {
      if (on) this.#listening.add(which);
      else this.#listening.delete(which);
      // What changed before the monitors listened was not reported.
      if (this.#isComplete || !on) changed();
    };
    const network = new Follower({
      ...{ tool: 'ip', args: MONITOR_ARGUMENTS, failed, restarted: changed, listening: listening('network') },
      line: (text) => this.#line(text, joined),
    });
    const table = watchTable(
      tableName(name),
      ({ kind }) => void (kind !== 'elsewhere' && changed()),
      failed,
      listening('table'),
    );
    return { network, table, joined };
  }

  #line(line: string, joined: JoinedReports): void {
    const state = this.#watchers.at(-1)?.state;
    if (state === undefined) return;
    const change = reportedChange(line, state);
    if (change !== null && this.#expected?.take(change)) return;
    if (touchesFound(state, line)) this.doubt();
    if (concernsClient(state, line)) joined.changed();
  }

  #refreshWriters({ ipv6 }: FoundClient): void {
    if (this.#writersKnow === this.#doubts) return;
    this.#writersKnow = this.#doubts;
    for (const writer of Object.values(this.#writers)) writer.renew();
    this.#writers[4].start();
    if (ipv6) this.#writers[6].start();
  }
}

/** See `ClientMemory.write`. */
export type WriteOutcome = 'confirmed' | 'doubtful' | 'impossible';

/** The kernel's reports that our own changes cause. */
class Expected {
  /** How the wait ends: every report came, something else happened, or reports were missing for too long. */
  readonly end: Promise<'confirmed' | 'doubt' | 'silence'>;
  readonly #counts = new Map<string, number>();
  #decide: (end: 'confirmed' | 'doubt') => void = () => {};

  constructor(changes: readonly ClientChange[]) {
    for (const key of changes.map(changeKey)) this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1);
    this.end = new Promise((resolve) => {
      const timer = setTimeout(() => resolve('silence'), CONFIRM_MS);
      this.#decide = (end) => {
        clearTimeout(timer);
        resolve(end);
      };
    });
    if (this.#counts.size === 0) this.#decide('confirmed');
  }

  /** Takes one report. Returns false if it is none of the expected ones. */
  take(change: ClientChange): boolean {
    const key = changeKey(change);
    const count = this.#counts.get(key);
    if (count === undefined) return false;
    if (count > 1) this.#counts.set(key, count - 1);
    else this.#counts.delete(key);
    if (this.#counts.size === 0) this.#decide('confirmed');
    return true;
  }

  giveUp(): void {
    this.#decide('doubt');
  }
}
