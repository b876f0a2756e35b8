import { HostNetError } from '../errors.ts';
import { checkTexts } from '../firewall/check.ts';
import type { FoundFirewall, Listing } from '../firewall/found.ts';
import { mapBack } from '../firewall/found.ts';
import type { Count, Inventory, LoadTexts } from '../firewall/load.ts';
import { FirewallModel, inOrder } from '../firewall/model.ts';
import { forgetPassedText, notePassedText, passedTable } from '../firewall/passed.ts';
import { EGRESS_COUNTER } from '../firewall/path-rules.ts';
import { admitProbesText, type ProbeTarget } from '../firewall/probe-rules.ts';
import type { DropCounter, FirewallOptions } from '../firewall/ruleset.ts';
import { DROP_COUNTERS, generated, tableName } from '../firewall/ruleset.ts';
import type { FirewallDelta } from '../firewall/state.ts';
import { counterPolicy } from '../firewall/state.ts';
import { type TracedDrop, traceText, untraceText } from '../firewall/trace.ts';
import type { FirewallState } from '../types.ts';
import { readInventory, readListing } from './nft-json.ts';
import { NftWriter } from './nft-writer.ts';
import { readPassed } from './passed-json.ts';
import { failure, output, parseJson, type RunResult, run } from './run.ts';
import { type Clock, catchUp, clockFrom } from './timing.ts';
import { followProbes } from './trace.ts';
import type { ForeignChange, Watch } from './watch.ts';
import { watchTable } from './watch.ts';

/** Counters of the table: packets accepted by policy, and dropped packets. */
export interface FirewallCounters {
  readonly policies: ReadonlyMap<string, Count>;
  readonly drops: Readonly<Record<DropCounter, Count>>;
  /** Traffic between hosts behind this gateway and other gateways. */
  readonly egress: Count;
}

/**
 * Result of a change: nothing to do, a small transaction, or a load of the whole table because the kernel refused that.
 */
export type ChangeResult = 'unchanged' | 'changed' | 'reloaded';

/**
 * Keeps one nftables table in the network namespace of this process as wanted. Calls run one after another. `now` is
 * always epoch milliseconds.
 */
export class Firewall {
  readonly #model: FirewallModel;
  readonly #table: string;
  #queue: Promise<unknown> = Promise.resolve();
  /** Rules in the kernel's own listing after the last load. They show whether another program replaced a rule. */
  #rules: Listing['rules'] | null = null;
  /** Whether the kernel accepted the model's last text. If not, only a load of the whole table restores agreement. */
  #inStep = false;
  readonly #watches = new Set<Watch>();
  /** Carries out small changes. */
  readonly #writer = new NftWriter();
  /** Check what small changes touched, one for each text. */
  readonly #checkers = [new NftWriter({ check: true }), new NftWriter({ check: true })] as const;
  /** Whether the checkers have checked something since the last commit. */
  #checked = false;

  constructor(options: FirewallOptions) {
    this.#model = new FirewallModel(options);
    this.#table = tableName(options.interface);
  }

  /**
   * Lets the kernel check the whole table without keeping it. Throws `missing-tool`, `no-privilege`,
   * `unsupported-kernel`.
   */
  async preflight(): Promise<void> {
    const empty = { masquerade: true, draining: true, leaseUntil: 0 };
    const none = { devices: new Map(), sites: new Map(), gateways: new Map(), egress: new Map(), classes: new Map() };
    // Uses another name, so that the check does not conflict with the existing table.
    const model = new FirewallModel({ ...this.#model.options, interface: 'preflight' });
    await output(
      'nft',
      ['--check', '-f', '-'],
      model.load({ ...empty, ...none, profiles: new Map(), bundles: new Map() }, 0, null).swap,
    );
  }

  /** Makes the table match this state, whatever it contained. Loses no packet and no count. Throws HostNetError. */
  load(state: FirewallState, now: number): Promise<void> {
    const clock = clockFrom(now);
    return this.#enqueue(() => this.#commitLoad(clock, (at, existing) => this.#model.load(state, at, existing)));
  }

  /**
   * Applies the difference. If the kernel refuses it because the table was changed, loads everything. Throws
   * `invalid-state` if the delta contradicts the state; the caller must then call `load`.
   */
  change(delta: FirewallDelta, now: number): Promise<ChangeResult> {
    const clock = clockFrom(now);
    return this.#enqueue(async () => {
      const at = clock();
      const texts = inOrder(this.#model.change(delta, at));
      if (this.#inStep) {
        if (texts.length === 0) return 'unchanged';
        if (texts.some((text) => /^flush chain /m.test(text))) this.#rules = null;
        for (const text of texts) if (this.#inStep) await this.#commit(text, this.#writer);
        if (this.#inStep) await this.#catchUp(clock, at);
        if (this.#inStep) return 'changed';
      }
      await this.#commitLoad(clock, (later, existing) => this.#model.reload(later, existing));
      return 'reloaded';
    });
  }

  /** Reads the kernel's whole table and maps it back to ids. The cost grows with the table. */
  readBack(now: number): Promise<FoundFirewall> {
    return this.#enqueue(() => this.#readBack(now));
  }

  /**
   * Verifies the elements that the last `change` touched. The cost does not grow with the table. Answers like
   * `readBack`, and assumes that untouched elements are correct. On any difference it runs a full `readBack`.
   */
  readBackTouched(now: number): Promise<FoundFirewall> {
    return this.#enqueue(async () => {
      const texts = checkTexts(`inet ${this.#table}`, this.#model.touched, now);
      if (texts === null || this.#rules === null) return this.#readBack(now);
      if (!(await this.#agrees(texts))) return this.#readBack(now);
      const { masquerade, draining, leaseUntil: _, ...items } = this.#model.state;
      return { settings: { masquerade, draining }, ...items, differences: [] };
    });
  }

  /**
   * Admits probes to these targets for some seconds, and to no others. Returns false if the table does not exist or
   * another program has just created it.
   */
  admitProbes(targets: readonly ProbeTarget[]): Promise<boolean> {
    return this.#enqueue(async () => {
      const { generation } = this.#model.tables;
      const text = admitProbesText(`inet ${this.#table}`, (name) => generated(name, generation), targets);
      const isNoted = targets.some(({ protocol }) => protocol === 'udp');
      return (await this.#transact(isNoted ? text + notePassedText(this.#model.options) : text)).code === 0;
    });
  }

  /** Returns targets whose datagram passed all rules of this host since they were admitted. */
  async passedProbes(): Promise<ProbeTarget[]> {
    const name = passedTable(this.#model.options.interface);
    const result = await run('nft', ['-j', 'list', 'table', 'inet', name]);
    return result.code === 0 ? readPassed(parseJson('nft', result.stdout)) : [];
  }

  /** Stops recording datagrams of probes. */
  async endProbes(): Promise<void> {
    await this.#transact(forgetPassedText(this.#model.options.interface));
  }

  /**
   * Finds the foreign rule that drops probes or their answers. `send` sends a probe to an admitted target, and runs
   * repeatedly. Returns null when no rule was seen to drop one.
   */
  async traceProbes(send: () => void, timeoutMs: number): Promise<TracedDrop | null> {
    const { options } = this.#model;
    // Runs outside the queue, so that changes need not wait for it.
    await this.#transact(traceText(options));
    try {
      return await followProbes(options.interface, send, timeoutMs);
    } finally {
      await this.#transact(untraceText(options.interface));
    }
  }

  /** Returns packets and bytes by policy and by drop reason, since the first load of the table. */
  counters(): Promise<FirewallCounters> {
    return this.#enqueue(async () => {
      const counters = (await this.#inventory())?.counters;
      if (!counters) throw new HostNetError('rejected', `the table ${this.#table} does not exist`);
      const policies = new Map<string, Count>();
      for (const [name, count] of counters) {
        const policy = counterPolicy(name);
        if (policy !== null) policies.set(policy, count);
      }
      const drops = DROP_COUNTERS.map((name) => [name, counters.get(`drop_${name}`) ?? { packets: 0, bytes: 0 }]);
      const egress = counters.get(EGRESS_COUNTER) ?? { packets: 0, bytes: 0 };
      return { policies, drops: Object.fromEntries(drops), egress };
    });
  }

  /** Reports foreign changes to the ruleset until `close`. `failed` receives errors of a report. */
  async watch(onForeignChange: (change: ForeignChange) => void, failed: (error: unknown) => void): Promise<Watch> {
    const watch = watchTable(this.#table, onForeignChange, failed);
    this.#watches.add(watch);
    const close = watch.close.bind(watch);
    watch.close = async () => {
      this.#watches.delete(watch);
      if (this.#watches.size === 0) for (const program of this.#programs) program.renew();
      await close();
    };
    return watch;
  }

  /** Removes the table. A missing table is no error. */
  remove(): Promise<void> {
    return this.#enqueue(async () => {
      this.#rules = null;
      await this.#mustCommit(`add table inet ${this.#table}\ndelete table inet ${this.#table}\n`);
      const { interface: name } = this.#model.options;
      await this.#transact(untraceText(name) + forgetPassedText(name));
      for (const program of this.#programs) program.renew();
      this.#inStep = false;
    });
  }

  /** Returns whether the kernel would take each of at most two transactions. */
  async #agrees(texts: readonly string[]): Promise<boolean> {
    if (this.#checked) for (const checker of this.#checkers) checker.renew();
    this.#checked = true;
    const results = await Promise.all(texts.map((text, i) => this.#checkers[i === 0 ? 0 : 1].run(text)));
    return results.every(({ code }) => code === 0);
  }

  async #readBack(now: number): Promise<FoundFirewall> {
    const listing = await this.#list();
    const found = mapBack(this.#model, listing, this.#rules, now);
    if (listing && found.settings && !this.#rules) this.#rules = listing.rules;
    return found;
  }

  async #list(): Promise<Listing | null> {
    const answer = await this.#listTable('-j');
    return answer === null ? null : readListing(answer);
  }

  /** Reads names and counters; null without a table. */
  async #inventory(): Promise<Inventory | null> {
    const answer = await this.#listTable('-jt');
    return answer === null ? null : readInventory(answer);
  }

  async #listTable(flags: string): Promise<unknown> {
    const result = await run('nft', [flags, 'list', 'table', 'inet', this.#table]);
    if (result.code === 0) return parseJson('nft', result.stdout);
    if (/No such file or directory/.test(result.stderr)) return null;
    throw failure('nft', result);
  }

  async #commitLoad(clock: Clock, render: (now: number, existing: Inventory | null) => LoadTexts): Promise<void> {
    const existing = await this.#inventory();
    const at = clock();
    const { prepare, swap, cleanup, replace } = render(at, existing);
    this.#rules = null;
    let swapped = true;
    for (const text of [prepare, swap, cleanup]) if (text !== null) swapped &&= await this.#commit(text);
    if (!swapped) await this.#mustCommit(replace);
    await this.#catchUp(clock, at);
    this.#rules = readListing(await this.#listTable('-jt')).rules;
    for (const program of this.#programs) program.start();
  }

  /** Corrects timeouts, so that the time spent in the kernel and the queue extends none of them. */
  #catchUp(clock: Clock, rendered: number): Promise<void> {
    return catchUp(clock, rendered, async (now) => {
      const text = this.#model.retime(now);
      return text !== null && this.#commit(text);
    });
  }

  async #commit(text: string, writer?: NftWriter): Promise<boolean> {
    this.#inStep = false;
    this.#inStep = (await this.#transact(text, writer)).code === 0;
    return this.#inStep;
  }

  async #mustCommit(text: string): Promise<void> {
    this.#inStep = false;
    const result = await this.#transact(text);
    if (result.code !== 0) throw failure('nft', result);
    this.#inStep = true;
  }

  /** Tells watches which process is ours, so that they report only foreign changes. */
  async #transact(text: string, writer?: NftWriter): Promise<RunResult> {
    const ours = [...this.#watches].map((watch) => watch.expectOwn());
    const startedAs = (pid: number): void => {
      for (const own of ours) own.startedAs(pid);
    };
    const result = await (writer?.run(text, startedAs) ?? run('nft', ['-f', '-'], text, startedAs));
    for (const own of ours) own.ended(result.code === 0);
    if (result.code === 0) this.#checked = false;
    return result;
  }

  get #programs(): NftWriter[] {
    return [this.#writer, ...this.#checkers];
  }

  #enqueue<T>(task: () => Promise<T>): Promise<T> {
    const result = this.#queue.then(task);
    this.#queue = result.catch(() => {});
    return result;
  }
}
