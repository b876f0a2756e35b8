import type { ChangeEvent } from '@sallyport/contract';
import { logSpan, readLog } from '../../db/change-log.ts';
import { scoped } from '../../db/scoped.ts';
import type { Store } from '../../db/store.ts';
import { ApiError } from '../../errors.ts';
import { breathe } from '../../slices.ts';

/**
 * The change feed of tenants, live. A follower holds a revision and no queue: a slow one reads from the database what the
 * store's log does not hold in memory any more.
 */
export class ChangeFeed {
  readonly #store: Store;
  readonly #tenants = new Map<string, Followers>();

  constructor(store: Store) {
    this.#store = store;
    store.onCommit(({ tenant }) => this.#tenants.get(tenant)?.wake());
  }

  /**
   * Returns every change after revision `since` (null: after the present), each exactly once and in order, then later
   * ones as they come, until the signal. Throws `changes_gone` when the log does not go on from that revision, and
   * `rate_limited` when too many follow.
   */
  async follow(tenant: string, since: number | null, signal: AbortSignal): Promise<Followed> {
    const { first, last } = await this.#store.read((db) => logSpan(scoped(db, tenant)));
    this.#store.log.heard({ tenant, revision: last });
    if (since !== null && since > last)
      throw new ApiError(
        'changes_gone',
        `The tenant is at revision ${last}, not yet at ${since}: read the objects again and follow from there`,
      );
    if (since !== null && since < first)
      throw new ApiError(
        'changes_gone',
        `Only changes after revision ${first} are kept: read the objects again and follow from there`,
      );
    const followers = this.#tenants.get(tenant) ?? new Followers();
    this.#tenants.set(tenant, followers);
    if (followers.count >= followersPerTenant)
      throw new ApiError(
        'rate_limited',
        `At most ${followersPerTenant} clients may follow a tenant at a time: close one first`,
      );
    const start = since ?? last;
    followers.count++;
    if (signal.aborted) this.#left(tenant, followers);
    else signal.addEventListener('abort', () => this.#left(tenant, followers), { once: true });
    return { start, batches: this.#batches(tenant, followers, start, signal) };
  }

  async *#batches(
    tenant: string,
    followers: Followers,
    start: number,
    signal: AbortSignal,
  ): AsyncGenerator<readonly ChangeEvent[]> {
    const { log } = this.#store;
    let at = start;
    while (!signal.aborted) {
      const head = log.head(tenant);
      const events = log.recent(tenant, at) ?? (await this.#read(tenant, at));
      const last = events.at(-1);
      if (last === undefined) {
        // What was heard before the read is either read or not there yet.
        await followers.until(() => log.head(tenant) > Math.max(head, at), signal);
        continue;
      }
      at = last.revision;
      yield events;
      await breathe();
    }
  }

  async #read(tenant: string, at: number): Promise<readonly ChangeEvent[]> {
    const { revisions } = await this.#store.read((db) => readLog(scoped(db, tenant), at, revisionsPerRead));
    // Old changes were dropped while this follower was too slow: it must come back, and is told so then.
    if (revisions === null) throw new ApiError('changes_gone');
    return revisions;
  }

  #left(tenant: string, followers: Followers): void {
    followers.count--;
    if (followers.count === 0) this.#tenants.delete(tenant);
  }
}

/** A started follow of the change feed. */
export interface Followed {
  /** Revision after which it goes on. */
  readonly start: number;
  readonly batches: AsyncIterable<readonly ChangeEvent[]>;
}

/** Followers of one tenant at a time. */
export const followersPerTenant = 200;
const revisionsPerRead = 500;

/** Those who follow one tenant. */
class Followers {
  count = 0;
  readonly #waiting = new Set<() => void>();

  wake(): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const look of waiting) look();
  }

  /** Resolves once the condition holds, which a notice may bring about, or with the signal. */
  until(condition: () => boolean, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const look = () => {
        if (!signal.aborted && !condition()) return void this.#waiting.add(look);
        this.#waiting.delete(look);
        signal.removeEventListener('abort', look);
        resolve();
      };
      signal.addEventListener('abort', look, { once: true });
      look();
    });
  }
}
