import { emptyStateHash, type Revision, type StateDelta } from '@sallyport/contract/channel';
import { TenantCompiler, type World, type WorldChange } from '@sallyport/policy';
import type { DesiredState, StateChange } from '../channel/types.ts';
import { scoped } from '../db/scoped.ts';
import type { Change, Commit, Store } from '../db/store.ts';
import { asChanges, worldChanges } from './world-changes.ts';
import { readWorld } from './world-rows.ts';

export interface RuntimeHost {
  readonly store: Store;
  /** Epoch of the database, the first half of every revision. */
  readonly epoch: string;
  readonly deliver: (gateway: string, change: StateChange) => void;
  /** Gateways that somebody follows. */
  readonly followed: () => Iterable<string>;
  /** Time that one step of compiling took, milliseconds. */
  readonly took: (ms: number) => void;
  readonly log: { readonly error: (facts: object, text: string) => void };
}

/** One tenant's compiled state, kept up with commits. Commits that come together are followed together. */
export class TenantRuntime {
  readonly #tenant: string;
  readonly #host: RuntimeHost;
  #compiler: TenantCompiler | null = null;
  /** Hash of each gateway's state, as the last change left it. */
  readonly #hashes = new Map<string, string>();
  #leaseMs = 0;
  #revision = 0;
  #pending: Commit[] = [];
  #working: Promise<void> | null = null;

  constructor(tenant: string, host: RuntimeHost) {
    this.#tenant = tenant;
    this.#host = host;
  }

  get leaseMs(): number {
    return this.#leaseMs;
  }

  accept(commit: Commit): void {
    this.#pending.push(commit);
    if (this.#compiler === null) return;
    // What could not be followed now stays pending: the next commit or question tries again.
    this.#work().catch((error) =>
      this.#host.log.error({ err: error, tenant: this.#tenant }, 'could not follow a commit'),
    );
  }

  /** Resolves once everything committed before the call is followed; null when the tenant does not exist. */
  async settled(): Promise<TenantCompiler | null> {
    if (this.#compiler === null || this.#pending.length > 0) await this.#work();
    return this.#compiler;
  }

  async world(): Promise<World | null> {
    return (await this.settled())?.world ?? null;
  }

  async current(gateway: string): Promise<DesiredState | null> {
    const compiler = await this.settled();
    if (compiler === null || !compiler.world.gateways.has(gateway)) return null;
    const items = compiler.items(gateway);
    return { revision: this.#at(this.#revision), hash: compiler.hash(gateway), items: () => items };
  }

  #at(number: number): Revision {
    return { epoch: this.#host.epoch, number };
  }

  #work(): Promise<void> {
    this.#working ??= this.#run().finally(() => {
      this.#working = null;
    });
    return this.#working;
  }

  async #run(): Promise<void> {
    if (this.#compiler === null) await this.#load();
    while (this.#compiler !== null && this.#pending.length > 0) await this.#follow(this.#compiler);
  }

  async #load(): Promise<void> {
    const world = await this.#host.store.read((db) => readWorld(scoped(db, this.#tenant)));
    if (world === null) return;
    const compiler = new TenantCompiler(world.settings);
    this.#timed(() => compiler.apply(asChanges(world)));
    for (const gateway of compiler.world.gateways.keys()) this.#hashes.set(gateway, compiler.hash(gateway));
    this.#compiler = compiler;
    this.#leaseMs = world.leaseMs;
    this.#revision = world.revision;
  }

  async #follow(compiler: TenantCompiler): Promise<void> {
    const commits = this.#pending.filter(({ revision }) => revision > this.#revision);
    const upTo = this.#pending.length;
    const last = commits.at(-1);
    if (last !== undefined) {
      const changes = commits.flatMap((commit) => commit.changes);
      const values = await this.#host.store.read((db) => worldChanges(scoped(db, this.#tenant), changes));
      // The rows may be those of a later commit already; its own turn then finds nothing new.
      this.#timed(() => this.#apply(compiler, changes, values, last.revision));
    }
    this.#pending.splice(0, upTo);
  }

  #apply(compiler: TenantCompiler, changes: readonly Change[], values: readonly WorldChange[], number: number): void {
    const followed = [...this.#host.followed()];
    const existed = new Set(followed.filter((gateway) => compiler.world.gateways.has(gateway)));
    const deltas = compiler.apply(values.filter((value) => isNews(compiler.world, value)));
    const revision = this.#at(number);
    this.#revision = number;
    const steps = this.#steps(compiler, deltas, revision);
    for (const { kind, id, op } of changes) if (kind === 'gateway' && op === 'delete') this.#hashes.delete(id);
    const rekeyed = new Set(changes.filter(({ op }) => op === 'rekey').map(({ id }) => id));
    for (const gateway of followed) {
      if (rekeyed.has(gateway)) this.#host.deliver(gateway, { kind: 'rekeyed' });
      const deleted = existed.has(gateway) && !compiler.world.gateways.has(gateway);
      this.#host.deliver(
        gateway,
        deleted ? { kind: 'deleted' } : (steps.get(gateway) ?? { kind: 'revision', revision }),
      );
    }
  }

  #steps(
    compiler: TenantCompiler,
    deltas: ReadonlyMap<string, StateDelta>,
    revision: Revision,
  ): Map<string, StateChange> {
    const steps = new Map<string, StateChange>();
    for (const [gateway, delta] of deltas) {
      const from = this.#hashes.get(gateway) ?? emptyStateHash;
      const to = compiler.hash(gateway);
      this.#hashes.set(gateway, to);
      steps.set(gateway, { kind: 'delta', revision, from, to, delta });
    }

    return steps;
  }

  #timed(work: () => void): void {
    const began = performance.now();
    work();
    this.#host.took(performance.now() - began);
  }
}

/** A gateway's row changes often in ways that decide nothing: its name, what its agent reports. */
function isNews(world: World, change: WorldChange): boolean {
  if (change.kind !== 'gateway') return true;
  const known = world.gateways.get(change.id) ?? null;
  return JSON.stringify(known) !== JSON.stringify(change.value);
}
