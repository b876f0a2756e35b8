import { type LogPart, readLogs } from './change-log.ts';
import { JoinedLookUps } from './look-ups.ts';
import type { LoggedChange, LoggedRevision, Store } from './types.ts';

/** What a follower of the logs reports. */
export interface LogFollowerEvents {
  /**
   * These objects of a tenant changed; null: any of them may have, because the tenant is not followed, or its log does not go
   * back far enough. The same change may be given twice.
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
 * Follows the logs of tenants for a consumer that keeps something in memory about many of them. While logs are read, those
 * that others write to wait, and are read together. Nothing is read of a tenant that the consumer keeps nothing about.
 */
export class LogFollower {
  readonly #store: Store;
  readonly #events: LogFollowerEvents;
  /** Revision up to which each tenant was followed. Others are not followed. */
  readonly #at = new Map<string, number>();
  readonly #retryMs: number;
  readonly #logs: JoinedLookUps<string, LogPart>;

  constructor(store: Store, events: LogFollowerEvents, retry = retryMs) {
    this.#store = store;
    this.#events = events;
    this.#retryMs = retry;
    this.#logs = new JoinedLookUps(
      (tenants) => {
        const asked = tenants.flatMap((tenant) => {
          const after = this.#at.get(tenant);
          return after === undefined ? [] : { tenant, after };
        });
        // Each tenant's log is read by one statement, so it needs no transaction.
        return readLogs(store.db, asked);
      },
      mostTenants,
      restAfter,
    );
    store.onCommit(({ tenant }) => this.#noticed(tenant));
  }

  /**
   * Follows a tenant. To be called with the revision at which the consumer read something about it. Returns false when later
   * changes have been reported already: then the consumer must read again.
   */
  startAt(tenant: string, revision: number): boolean {
    const at = this.#at.get(tenant);
    if (at !== undefined) return at <= revision;
    const { log } = this.#store;
    log.heard({ tenant, revision });
    this.#at.set(tenant, revision);
    // A notice may have come before. The caller keeps what it has read first.
    if (log.head(tenant) > revision) queueMicrotask(() => this.#noticed(tenant));
    return true;
  }

  /** The consumer keeps nothing about the tenant any more. */
  stop(tenant: string): void {
    this.#at.delete(tenant);
  }

  #noticed(tenant: string): void {
    const { log } = this.#store;
    const [at, head] = [this.#at.get(tenant), log.head(tenant)];
    if (at === undefined) return void this.#events.changed(tenant, null);
    const recent = log.recent(tenant, at);
    if (recent === null) this.#read(tenant, head).catch((error: unknown) => this.#failed(tenant, error));
    else if (recent.length > 0) this.#take(tenant, head, changesOf(recent));
  }

  async #read(tenant: string, heard: number): Promise<void> {
    const part = await this.#logs.find(tenant);
    // The tenant was deleted.
    if (part === null) return this.#take(tenant, 0, null);
    if (part.head < heard) throw new Error('the database that answered lacks a revision that was heard of');
    this.#take(tenant, part.head, part.revisions && changesOf(part.revisions));
  }

  #failed(tenant: string, error: unknown): void {
    this.#events.failed(error);
    setTimeout(() => this.#noticed(tenant), this.#retryMs).unref();
  }

  #take(tenant: string, to: number, changes: readonly LoggedChange[] | null): void {
    const at = this.#at.get(tenant);
    if (at !== undefined) this.#at.set(tenant, Math.max(to, at));
    this.#events.changed(tenant, changes);
  }
}

const changesOf = (revisions: readonly LoggedRevision[]): LoggedChange[] => revisions.flatMap(({ changes }) => changes);
