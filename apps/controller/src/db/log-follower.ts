import { type LogPart, readLogs } from './change-log.ts';
import { JoinedLookUps } from './look-ups.ts';
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

/** Most tenants whose logs are read at once. */
const mostTenants = 256;

/**
 * How long a follower waits after it has read, milliseconds: the busier the database and this process are, the longer. So
 * others that write much take a fifth of the follower's time at most.
 */
const restAfter = (tookMs: number): number => Math.min(4 * tookMs, mostRestMs);
const mostRestMs = 200;

/**
 * Follows the logs of all tenants for a consumer that keeps something in memory about many of them. While logs are read,
 * those that others write to wait, and are read together.
 */
export class LogFollower {
  readonly #store: Store;
  readonly #events: LogFollowerEvents;
  /** Revision up to which each tenant was followed. */
  readonly #at = new Map<string, number>();
  readonly #retryMs: number;
  readonly #logs: JoinedLookUps<string, LogPart>;

  constructor(store: Store, events: LogFollowerEvents, retry = retryMs) {
    this.#store = store;
    this.#events = events;
    this.#retryMs = retry;
    this.#logs = new JoinedLookUps(
      (tenants) => {
        const asked = tenants.map((tenant) => ({ tenant, after: this.#at.get(tenant) ?? 0 }));
        return store.read((db) => readLogs(db, asked));
      },
      mostTenants,
      restAfter,
    );
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
    else if (recent === null) this.#read(tenant).catch((error: unknown) => this.#failed(tenant, error));
    else if (recent.length > 0) this.#take(tenant, head, changesOf(recent));
  }

  async #read(tenant: string): Promise<void> {
    const part = await this.#logs.find(tenant);
    // The tenant was deleted.
    if (part === null) this.#take(tenant, 0, null);
    else this.#take(tenant, part.head, part.revisions && changesOf(part.revisions));
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
