import { ChangeEvent } from '@sallyport/contract';
import { scoped } from '../../db/scoped.ts';
import type { Commit, Store } from '../../db/store.ts';
import { ApiError } from '../../errors.ts';
import { breathe } from '../../slices.ts';
import { changesBetween, feedSpan } from './store.ts';

/**
 * The change feed of tenants, live. Who follows holds a place only, never a queue: whoever is slow reads from the log
 * what the few newest commits, which all followers of a tenant share, no longer hold.
 */
export class ChangeFeed {
  readonly #store: Store;
  readonly #tenants = new Map<string, Tail>();

  constructor(store: Store) {
    this.#store = store;
    store.onCommit((commit) => this.#tenants.get(commit.tenant)?.take(commit));
  }

  /**
   * Every change after revision `since` (null: after the present), each exactly once and in order, then whatever comes,
   * until the signal. Throws `changes_gone` when that revision is not to be had, `rate_limited` when too many follow.
   */
  async follow(tenant: string, since: number | null, signal: AbortSignal): Promise<Followed> {
    const { first, last } = await this.#store.read((db) => feedSpan(scoped(db, tenant)));
    if (since !== null && since > last)
      throw new ApiError('changes_gone', `The tenant is at revision ${last}, and has not been at ${since}`);
    if (since !== null && since < first)
      throw new ApiError('changes_gone', `Changes are kept from behind revision ${first}`);
    const tail = this.#tail(tenant);
    if (tail.followers >= followersPerTenant)
      throw new ApiError('rate_limited', `At most ${followersPerTenant} may follow a tenant at a time`);
    const start = since ?? last;
    tail.followers++;
    if (signal.aborted) this.#left(tenant, tail);
    else signal.addEventListener('abort', () => this.#left(tenant, tail), { once: true });
    return { start, batches: this.#batches(tenant, tail, start, signal) };
  }

  async *#batches(tenant: string, tail: Tail, start: number, signal: AbortSignal): AsyncGenerator<ChangeEvent[]> {
    let at = start;
    while (!signal.aborted) {
      const events = tail.after(at) ?? (await this.#logged(tenant, at));
      const last = events.at(-1);
      if (last === undefined) {
        await tail.next(at, signal);
        continue;
      }
      at = last.revision;
      yield events;
      await breathe();
    }
  }

  async #logged(tenant: string, at: number): Promise<ChangeEvent[]> {
    const rows = await this.#store.read(async (db) => {
      const { first } = await feedSpan(scoped(db, tenant));
      // Old changes were dropped while this one was too slow: it has to come back and be told.
      if (at < first) throw new ApiError('changes_gone');
      return changesBetween(scoped(db, tenant), at, at + revisionsPerRead);
    });
    return [...Map.groupBy(rows, ({ revision }) => revision)].map(([revision, changes]) => ({
      revision,
      changes: changes.map(({ kind, object_id, op }) => ({ kind, id: object_id, op: operation.parse(op) })),
    }));
  }

  #tail(tenant: string): Tail {
    const tail = this.#tenants.get(tenant) ?? new Tail();
    this.#tenants.set(tenant, tail);
    return tail;
  }

  #left(tenant: string, tail: Tail): void {
    tail.followers--;
    if (tail.followers === 0) this.#tenants.delete(tenant);
  }
}

export interface Followed {
  /** Revision from which it goes on. */
  readonly start: number;
  readonly batches: AsyncIterable<readonly ChangeEvent[]>;
}

const operation = ChangeEvent.shape.changes.element.shape.op;

export const followersPerTenant = 200;
const revisionsPerRead = 500;
/** Newest commits, and changes within them, that are shared. */
const sharedCommits = 256;
const sharedChanges = 5000;

/** The newest commits of a tenant, as long as anybody follows it. */
class Tail {
  followers = 0;
  #events: ChangeEvent[] = [];
  #changes = 0;
  #latest = 0;
  readonly #waiting = new Set<() => void>();

  take({ revision, changes }: Commit): void {
    this.#latest = revision;
    this.#events.push({ revision, changes: changes.map(({ kind, id, op }) => ({ kind, id, op })) });
    this.#changes += changes.length;
    while (this.#events.length > sharedCommits || this.#changes > sharedChanges)
      this.#changes -= this.#events.shift()?.changes.length ?? 0;
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const wake of waiting) wake();
  }

  /** Everything after a revision; null when that has to be looked up. */
  after(revision: number): ChangeEvent[] | null {
    const first = this.#events[0]?.revision;
    if (first === undefined || revision < first - 1) return null;
    return this.#events.slice(revision - first + 1);
  }

  /** Resolves once there may be something after a revision, or with the signal. */
  next(revision: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal.aborted || this.#latest > revision) return resolve();
      const wake = () => {
        this.#waiting.delete(wake);
        signal.removeEventListener('abort', wake);
        resolve();
      };
      this.#waiting.add(wake);
      signal.addEventListener('abort', wake, { once: true });
    });
  }
}
