import { readLog } from './change-log.ts';
import { scoped } from './scoped.ts';
import type { LoggedChange, LoggedRevision, Store } from './types.ts';

/** What a follower of the logs reports. */
export interface LogFollowerEvents {
  /**
   * These objects of a tenant changed; null: any of them may have, because the log does not go back to the follower's
   * revision. The same change may be given twice.
   */
  readonly changed: (tenant: string, changes: readonly LoggedChange[] | null) => void;
  /** The log could not be read. The follower tries again. */
  readonly failed: (error: unknown) => void;
}

/** There may be no other notice after a failure. */
const retryMs = 1_000;

/** Follows the logs of all tenants for a consumer that keeps something in memory about many of them. */
export class LogFollower {
  readonly #store: Store;
  readonly #events: LogFollowerEvents;
  /** Revision up to which each tenant was followed. */
  readonly #at = new Map<string, number>();
  readonly #retryMs: number;

  constructor(store: Store, events: LogFollowerEvents, retry = retryMs) {
    this.#store = store;
    this.#events = events;
    this.#retryMs = retry;
    store.onCommit(({ tenant }) => this.#noticed(tenant));
  }

  /**
   * To be called with the revision at which the consumer read something about the tenant. Only the first call for a
   * tenant has an effect.
   */
  startAt(tenant: string, revision: number): void {
    if (!this.#at.has(tenant)) this.#at.set(tenant, revision);
  }

  #noticed(tenant: string): void {
    const { log } = this.#store;
    const [at, head] = [this.#at.get(tenant), log.head(tenant)];
    const recent = at === undefined ? null : log.recent(tenant, at);
    if (at === undefined) this.#take(tenant, head, null);
    else if (recent === null) this.#read(tenant, at).catch((error: unknown) => this.#failed(tenant, error));
    else if (recent.length > 0) this.#take(tenant, head, changesOf(recent));
  }

  async #read(tenant: string, at: number): Promise<void> {
    const { head, revisions } = await this.#store.read((db) => readLog(scoped(db, tenant), at));
    this.#take(tenant, head, revisions && changesOf(revisions));
  }

  #failed(tenant: string, error: unknown): void {
    this.#events.failed(error);
    setTimeout(() => this.#noticed(tenant), this.#retryMs).unref();
  }

  #take(tenant: string, to: number, changes: readonly LoggedChange[] | null): void {
    this.#at.set(tenant, Math.max(to, this.#at.get(tenant) ?? 0));
    this.#events.changed(tenant, changes);
  }
}

const changesOf = (revisions: readonly LoggedRevision[]): LoggedChange[] => revisions.flatMap(({ changes }) => changes);
