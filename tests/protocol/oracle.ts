import { StateHash } from '@sallyport/contract/channel';
import { TenantCompiler, type WorldSettings } from '@sallyport/policy';
import { type Scoped, scoped } from '../../apps/controller/src/db/scoped.ts';
import type { Store, Tx } from '../../apps/controller/src/db/store.ts';
import { asChanges } from '../../apps/controller/src/runtime/world-changes.ts';
import { readWorld } from '../../apps/controller/src/runtime/world-rows.ts';

/** The state that an agent should have by the rows, at one revision. */
export interface Truth {
  readonly revision: number;
  readonly hash: string;
}

/**
 * Records the truth of every revision: it compiles the whole tenant from its rows inside every write, before any other
 * reader sees them.
 */
export class Oracle {
  /** States by gateway or device, in order of revision. */
  readonly #truths = new Map<string, Truth[]>();
  readonly #items = new Map<string, Set<string>>();

  /** Pending queries. */
  busy = 0;

  /** Beacons of the controller, which it announces to all agents. */
  beacons: () => WorldSettings['beacons'] = () => [];

  /** Returns a store whose writes are observed. */
  watch(store: Store): Store {
    return {
      ...store,
      read: (work) => this.#counted(store.read(work)),
      write: (context, work) => this.#counted(store.write(context, (tx) => this.#watched(tx, work))),
    };
  }

  /** Returns every state that an agent should ever have had, oldest first. */
  truths(agent: string): readonly Truth[] {
    return this.#truths.get(agent) ?? [];
  }

  /** Returns whether an item, by its hash, was part of an agent's state at some revision. */
  knows(agent: string, item: string): boolean {
    return this.#items.get(agent)?.has(item) ?? false;
  }

  /** Returns the state hash of every gateway of a tenant, by gateway. */
  async compile(store: Store, tenant: string): Promise<Map<string, string>> {
    const { world, compiler } = await store.read((db) => this.#compileAll(scoped(db, tenant)));
    return new Map(world.gateways.map(({ id }) => [id, compiler.hash(id)]));
  }

  async #counted<T>(work: Promise<T>): Promise<T> {
    this.busy++;
    try {
      return await work;
    } finally {
      this.busy--;
    }
  }

  async #watched<T>(tx: Tx, work: (tx: Tx) => Promise<T>): Promise<T> {
    let changes = 0;
    const changed: Tx['changed'] = (change) => {
      changes++;
      tx.changed(change);
    };
    const value = await work({ ...tx, changed });
    if (changes > 0) await this.#record(tx);
    return value;
  }

  async #record(tx: Tx): Promise<void> {
    const { world, compiler } = await this.#compileAll(scoped(tx.db, tx.tenant));
    const devices = world.devices.filter(({ native }) => native);
    for (const { id } of devices) compiler.follow(id);
    for (const { id } of [...world.gateways, ...devices]) {
      const items = this.#items.get(id) ?? new Set();
      this.#items.set(id, items);
      for (const item of compiler.items(id)) items.add(StateHash.of([item]).toString());
      const truths = this.#truths.get(id) ?? [];
      this.#truths.set(id, truths);
      truths.push({ revision: world.revision + 1, hash: compiler.hash(id) });
    }
  }

  async #compileAll(db: Scoped) {
    const world = await readWorld(db);
    if (world === null) throw new Error('there is no such tenant');
    const compiler = new TenantCompiler({ ...world.settings, beacons: this.beacons() });
    compiler.apply(asChanges(world), 0);
    return { world, compiler };
  }
}
