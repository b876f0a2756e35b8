import { emptyStateHash, type Revision, type StateDelta } from '@sallyport/contract/channel';
import {
  asksDearly,
  evaluateAhead,
  type GatewayChange,
  TenantCompiler,
  type World,
  type WorldChange,
  type WorldDevice,
} from '@sallyport/policy';
import { Alarm, type Timers } from '../channel/timers.ts';
import type { DesiredState, StateChange } from '../channel/types.ts';
import { readLog } from '../db/change-log.ts';
import { type Scoped, scoped } from '../db/scoped.ts';
import type { LoggedChange, Store } from '../db/store.ts';
import { breathe, doInSlices, takeSlice } from '../slices.ts';
import { DeviceRenewal } from './device-renewal.ts';
import { Retry, type RuntimeLog } from './retry.ts';
import type { VolatileFacts } from './volatile-facts.ts';
import { asChanges, differences, isNews, worldChanges } from './world-changes.ts';
import { readTenant, readWorld } from './world-rows.ts';

/** Parts of the controller that one runtime uses, and its callbacks. */
export interface RuntimeHost {
  readonly store: Store;
  /** Epoch of the database, the first half of every revision. */
  readonly epoch: string;
  /** Passes a change on to the listeners of an agent, if it has any. */
  readonly deliver: (agent: string, change: StateChange) => void;
  /** Agents of the tenant with listeners. */
  readonly followed: () => Iterable<string>;
  readonly isFollowed: (agent: string) => boolean;
  readonly timers: Timers;
  readonly facts: VolatileFacts;
  /** Time that one step of compiling took, milliseconds. */
  readonly took: (ms: number) => void;
  readonly log: RuntimeLog;
}

/** What a runtime follows in one step. */
interface News {
  readonly head: number;
  readonly changes: readonly LoggedChange[] | null;
  readonly values: readonly WorldChange[];
  readonly leaseMs: number;
}

/**
 * One tenant's compiled state. It follows the change log from its own revision on, devices that move, and the time while
 * an agent follows it. Revisions that come together are followed in one step.
 */
export class TenantRuntime {
  readonly #tenant: string;
  readonly #host: RuntimeHost;
  #compiler: TenantCompiler | null = null;
  #renewal: DeviceRenewal | null = null;
  /** Hash of the last state of each gateway, and of each device that is kept up to date. */
  readonly #hashes = new Map<string, string>();
  /** Native devices whose states are kept up to date. */
  readonly #devices = new Set<string>();
  readonly #alarm: Alarm;
  readonly #retry: Retry;
  #leaseMs = 0;
  #revision = 0;
  #working: Promise<void> | null = null;
  /** Settled when the change is over in whose middle the compiler is. */
  #changing: Promise<void> | null = null;
  /** Objects whose facts changed meanwhile. */
  readonly #late = new Map<string, FactKind>();
  #stopped = false;

  constructor(tenant: string, host: RuntimeHost) {
    this.#tenant = tenant;
    this.#host = host;
    this.#alarm = new Alarm(host.timers, host.store.now, () => this.#ring());
    this.#retry = new Retry({ ...host, tenant }, () => this.noticed());
  }

  get leaseMs(): number {
    return this.#leaseMs;
  }

  /** To be called when the store has heard of a revision of the tenant, late, twice or out of order. */
  noticed(): void {
    if (this.#compiler === null || !this.#isBehind()) return;
    this.#work().catch(this.#retry.failed);
  }

  /** Resolves once everything that was heard of before the call is followed; null when the tenant does not exist. */
  async settled(): Promise<TenantCompiler | null> {
    if (this.#compiler === null || this.#isBehind()) await this.#work();
    if (this.#compiler !== null) await this.#keepTime(this.#compiler);
    return this.#compiler;
  }

  /**
   * Facts about an object changed, or those of the settings, whose id is empty. They are not committed: the state changes
   * within its revision.
   */
  factsChanged(kind: FactKind, id: string): void {
    const compiler = this.#compiler;
    if (this.#changing !== null || (compiler === null && this.#working !== null)) this.#late.set(id, kind);
    const known = compiler === null ? null : objectOf(compiler.world, kind, id);
    if (compiler === null || known === null || this.#changing !== null) return;
    const change = this.#host.facts.current(known);
    if (JSON.stringify(known) === JSON.stringify(change)) return;
    this.#change(compiler, [change], (ofGateways) => this.#tell(compiler, ofGateways)).catch((err) =>
      this.#host.log.error({ err, tenant: this.#tenant }, 'could not follow a fact that no commit made'),
    );
  }

  /** Ends the timer. */
  stop(): void {
    this.#stopped = true;
    this.#retry.stop();
    this.#alarm.stop();
    this.#renewal?.stop();
  }

  async world(): Promise<World | null> {
    return (await this.settled())?.world ?? null;
  }

  /** Returns the number of gateways and native devices; 0 until the tenant is loaded. */
  agentCount(): number {
    const world = this.#compiler?.world;
    if (world === undefined) return 0;
    return world.gateways.size + world.devices.values().reduce((count, { native }) => count + Number(native), 0);
  }

  /**
   * Returns the state of a gateway or native device. The state of a followed device is kept up to date from then on.
   */
  async current(agent: string): Promise<DesiredState | null> {
    let compiler = await this.settled();
    // Another change may have begun before this function went on.
    while (this.#changing !== null) compiler = await this.settled();
    if (compiler === null || !isAgent(compiler.world, agent)) return null;
    const kept = this.#devices.has(agent) || compiler.world.gateways.has(agent);
    if (kept) this.#renewal?.renew(agent);
    else this.#keepUp(compiler, agent);
    const items = compiler.items(agent);
    const state = { revision: this.#at(this.#revision), hash: compiler.hash(agent), items: () => items };
    if (!kept && !this.#host.isFollowed(agent)) this.unfollowed(agent);
    return state;
  }

  /** The agent has no listener any more. */
  unfollowed(agent: string): void {
    if (!this.#devices.delete(agent)) return;
    this.#compiler?.unfollow(agent);
    this.#hashes.delete(agent);
  }

  #keepUp(compiler: TenantCompiler, device: string): void {
    compiler.follow(device);
    this.#devices.add(device);
    this.#hashes.set(device, compiler.hash(device));
  }

  #at(number: number): Revision {
    return { epoch: this.#host.epoch, number };
  }

  #isBehind(): boolean {
    return this.#host.store.log.head(this.#tenant) > this.#revision;
  }

  #work(): Promise<void> {
    this.#working ??= this.#run();
    return this.#working;
  }

  async #run(): Promise<void> {
    try {
      if (this.#compiler === null) await this.#load();
      // A database that is behind a notice gives nothing new: the next notice tries again.
      while (this.#compiler !== null && this.#isBehind() && (await this.#follow(this.#compiler)));
    } finally {
      // In the same step as the last look at the head, so that no notice falls in between.
      this.#working = null;
    }
  }

  async #load(): Promise<void> {
    const world = await this.#host.store.read((db) => readWorld(scoped(db, this.#tenant)));
    if (world === null) return;
    const compiler = new TenantCompiler(this.#host.facts.settings(world.settings));
    const changes = asChanges(world);
    if (asksDearly(world.rules)) await this.#evaluateAhead(compiler.world.with(this.#current(changes)));
    const steps = compiler.applyInSteps(this.#current(changes), this.#host.store.now());
    for (let step = this.#slice(steps); step.done !== true; step = this.#slice(steps)) await breathe();
    for (const gateway of compiler.world.gateways.keys()) this.#hashes.set(gateway, compiler.hash(gateway));
    this.#compiler = compiler;
    this.#renewal = this.#renewalOf(compiler);
    this.#leaseMs = world.leaseMs;
    this.#revision = world.revision;
    this.#followLate();
  }

  /** Follows the log to its end. Returns whether there was anything to follow. */
  async #follow(compiler: TenantCompiler): Promise<boolean> {
    const { head, changes, values, leaseMs } = await this.#host.store.read((db) =>
      this.#news(scoped(db, this.#tenant), compiler.world),
    );
    if (head <= this.#revision && changes !== null) return false;
    this.#leaseMs = leaseMs;
    await this.#evaluateChanged(compiler.world, values);
    // Checked in this function: nothing may come between the check and the change.
    while (this.#changing !== null) await this.#changing;
    await this.#apply(compiler, changes, values, head);
    return true;
  }

  /**
   * Reads the changes since the runtime's revision, and the rows of the same moment. `changes` is null after a full
   * reload.
   */
  async #news(db: Scoped, known: World): Promise<News> {
    const { head, revisions } = await readLog(db, this.#revision);
    if (revisions === null) {
      const world = await readWorld(db);
      if (world === null) throw new Error(`there is no tenant ${this.#tenant}`);
      const { settings, leaseMs } = world;
      return { head, changes: null, values: differences(known, settings, this.#current(asChanges(world))), leaseMs };
    }
    const changes = revisions.flatMap((revision) => revision.changes);
    const lease = changes.some(({ kind }) => kind === 'tenant') ? (await readTenant(db))?.leaseMs : undefined;
    return { head, changes, values: await worldChanges(db, changes), leaseMs: lease ?? this.#leaseMs };
  }

  /** Evaluates rules before the compile that needs them, because the compile cannot pause. */
  #evaluateAhead(world: World, devices?: Iterable<WorldDevice>): Promise<void> {
    return doInSlices(evaluateAhead(world, this.#host.store.now(), devices));
  }

  async #evaluateChanged(world: World, values: readonly WorldChange[]): Promise<void> {
    const rules = values.flatMap((change) => (change.kind === 'rule' && change.value !== null ? [change.value] : []));
    if (!asksDearly(world.rules.values()) && !asksDearly(rules)) return;
    const news = this.#current(values).filter((value) => isNews(world, value));
    const next = world.with(news);
    const devices = news.flatMap((change) => (change.kind === 'device' ? (change.value ?? []) : []));
    await this.#evaluateAhead(next, news.every(({ kind }) => ownKinds.has(kind)) ? devices : undefined);
  }

  async #apply(
    compiler: TenantCompiler,
    changes: readonly LoggedChange[] | null,
    values: readonly WorldChange[],
    number: number,
  ): Promise<void> {
    const existed = new Set(values.flatMap((change) => this.#followedAgent(compiler.world, change) ?? []));
    const news = this.#current(values).filter((value) => isNews(compiler.world, value));
    await this.#change(compiler, news, (ofGateways) => {
      this.#revision = number;
      const steps = this.#steps(compiler, ofGateways);
      for (const change of values)
        if (change.kind === 'gateway' && change.value === null) this.#hashes.delete(change.id);
      for (const { op, id } of changes ?? []) if (op === 'rekey') this.#host.deliver(id, { kind: 'rekeyed' });
      const gone = [...existed].filter((id) => !isAgent(compiler.world, id));
      for (const id of gone) {
        this.unfollowed(id);
        steps.delete(id);
        this.#host.deliver(id, { kind: 'deleted' });
      }
      for (const [agent, step] of steps) this.#host.deliver(agent, step);
      this.#renewal?.run();
      const unknown = changes === null ? new Set(this.#host.followed()).difference(new Set(gone)) : [];
      for (const agent of unknown) this.#host.deliver(agent, { kind: 'unknown-identity' });
    });
  }

  /**
   * Applies changes in slices, so that a change that concerns everybody does not hold the event loop, and delivers what
   * they changed after the last one. A short change is delivered before the call returns. To be called while no change is
   * under way.
   */
  async #change(
    compiler: TenantCompiler,
    changes: readonly WorldChange[],
    deliver: (ofGateways: ReadonlyMap<string, GatewayChange>) => void,
  ): Promise<void> {
    if (this.#changing !== null) throw new Error('a change is under way');
    const over = Promise.withResolvers<void>();
    this.#changing = over.promise;
    try {
      const steps = compiler.applyInSteps(changes, this.#host.store.now());
      let step = this.#slice(steps);
      for (; step.done !== true; step = this.#slice(steps)) await breathe();
      this.#changing = null;
      deliver(step.value);
      this.#schedule(compiler);
    } finally {
      this.#changing = null;
      over.resolve();
      this.#followLate();
    }
  }

  #slice<T>(steps: Iterator<null, T>): IteratorResult<null, T> {
    const began = performance.now();
    const step = takeSlice(steps);
    this.#host.took(performance.now() - began);
    return step;
  }

  #followLate(): void {
    const late = [...this.#late];
    this.#late.clear();
    for (const [id, kind] of late) this.factsChanged(kind, id);
  }

  /** Returns the id of the agent that a change is about, if it exists and has listeners. */
  #followedAgent(world: World, change: WorldChange): string | null {
    if (change.kind !== 'gateway' && change.kind !== 'device') return null;
    return isAgent(world, change.id) && this.#host.isFollowed(change.id) ? change.id : null;
  }

  /** Delivers changes that no commit has made. */
  #tell(compiler: TenantCompiler, ofGateways: ReadonlyMap<string, GatewayChange>): void {
    for (const [agent, step] of this.#steps(compiler, ofGateways)) this.#host.deliver(agent, step);
    this.#renewal?.run();
  }

  #ring(): void {
    const [follower] = this.#host.followed();
    if (this.#compiler === null || follower === undefined) return;
    this.#keepTime(this.#compiler).catch((error) =>
      this.#host.log.error({ err: error, tenant: this.#tenant }, 'could not follow the time'),
    );
  }

  /** Compiles the changes that are due by time, and sets the alarm for the next one. */
  async #keepTime(compiler: TenantCompiler): Promise<void> {
    const isDue = () => (compiler.nextDeadline() ?? Number.POSITIVE_INFINITY) <= this.#host.store.now();
    while (this.#changing !== null) await this.#changing;
    if (isDue() && asksDearly(compiler.world.rules.values())) await this.#evaluateAhead(compiler.world.with([]));
    while (this.#changing !== null) await this.#changing;
    if (isDue()) await this.#change(compiler, [], (ofGateways) => this.#tell(compiler, ofGateways));
    else this.#schedule(compiler);
  }

  /** Sets no alarm for a tenant without listeners: the next question brings it up to date first. */
  #schedule(compiler: TenantCompiler): void {
    const [follower] = this.#host.followed();
    if (follower !== undefined && !this.#stopped) this.#alarm.set(compiler.nextDeadline());
  }

  #current(changes: readonly WorldChange[]): WorldChange[] {
    return changes.map((change) => this.#host.facts.current(change));
  }

  /** Returns the steps of gateways, those first that may have to close something. */
  #steps(compiler: TenantCompiler, changes: ReadonlyMap<string, GatewayChange>): Map<string, StateChange> {
    const ordered = [...changes].sort(([, a], [, b]) => Number(b.closes) - Number(a.closes));
    return new Map(ordered.map(([id, { delta, closes }]) => [id, this.#step(compiler, id, delta, closes)] as const));
  }

  #step(compiler: TenantCompiler, agent: string, delta: StateDelta, closes: boolean): StateChange {
    const from = this.#hashes.get(agent) ?? emptyStateHash;
    const to = compiler.hash(agent);
    this.#hashes.set(agent, to);
    return { kind: 'delta', revision: this.#at(this.#revision), from, to, delta, closes };
  }

  #renewalOf(compiler: TenantCompiler): DeviceRenewal {
    const { timers, took, log, deliver } = this.#host;
    return new DeviceRenewal(compiler, {
      timers,
      took,
      isBusy: () => this.#changing !== null,
      tell: (device, delta) => deliver(device, this.#step(compiler, device, delta, false)),
      failed: (err) => log.error({ err, tenant: this.#tenant }, 'could not bring devices up to date'),
    });
  }
}

/** Kinds of objects whose changes do not change the outcome of a rule for another device. */
const ownKinds: ReadonlySet<WorldChange['kind']> = new Set(['device', 'gateway', 'resource', 'relay']);

/** Returns whether the id names a gateway or a device that runs our client. */
function isAgent(world: World, id: string): boolean {
  return world.gateways.has(id) || world.devices.get(id)?.native === true;
}

/** What has facts that no commit makes. Those of the settings are the beacons. */
type FactKind = 'device' | 'gateway' | 'settings';

function objectOf(world: World, kind: FactKind, id: string): WorldChange | null {
  if (kind === 'settings') return { kind, value: world.settings };
  if (kind === 'device') {
    const value = world.devices.get(id);
    return value === undefined ? null : { kind, id, value };
  }
  const value = world.gateways.get(id);
  return value === undefined ? null : { kind, id, value };
}
