import type pg from 'pg';
import type { Notice } from '../types.ts';
import { astrayText, fenceText, isAstray } from './fence.ts';
import type { PostgresPlace } from './place.ts';
import { connectPooler, refuseUnfitPooler } from './pooler.ts';
import type { LockedSession } from './session.ts';

/** What is told of a pooler while its session lives. */
export interface PoolWatchEvents {
  readonly lost: (error: unknown) => void;
  /** Transactions through the pooler reach the session's database, with these revisions of tenants. */
  readonly back: (heads: readonly Notice[]) => void;
}

/** Milliseconds between two looks: while all is well, and while it is not. */
const [lookMs, lookAgainMs] = [2_000, 250];

/** Looks at all times whether a pooler answers, and leads to the server of the session. */
export class PoolWatch {
  readonly #pooler: PostgresPlace;
  /** Of the session; null: it was lost. */
  #fence: number | null;
  readonly #events: PoolWatchEvents;
  #client: pg.Client | null = null;
  #timer: NodeJS.Timeout | null = null;
  #looking: Promise<void> | null = null;
  #trouble: string | null = null;
  #stopped = false;

  private constructor(pooler: PostgresPlace, fence: number, events: PoolWatchEvents) {
    this.#pooler = pooler;
    this.#fence = fence;
    this.#events = events;
    this.#later();
  }

  /** Checks the pooler in front of a migrated database; null: there is none. Throws OperatorError. */
  static async begin({ client, place, fence }: LockedSession, events: PoolWatchEvents): Promise<PoolWatch | null> {
    const { pooler } = place;
    if (pooler === undefined) return null;
    await refuseUnfitPooler(client, pooler, fence);
    return new PoolWatch(pooler, fence, events);
  }

  /** Returns why nothing may be sent through the pooler; null when it may. */
  get trouble(): string | null {
    return this.#trouble;
  }

  /** The session was lost: what the pooler leads to is not known until the session is back. */
  sessionLost(): void {
    this.#fence = null;
    this.#trouble ??= unknownText;
  }

  /** The session is back. Tells the outcome of the next look. */
  sessionBack(fence: number): void {
    this.#fence = fence;
    this.lookSoon();
  }

  /** Something has gone wrong that a look would find. */
  lookSoon(): void {
    if (this.#looking === null) this.#later(0);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    await this.#leave();
    await this.#looking;
  }

  #later(ms = this.#trouble === null ? lookMs : lookAgainMs): void {
    if (this.#stopped) return;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#looking = this.#look().finally(() => {
        this.#looking = null;
        this.#later();
      });
    }, ms).unref();
  }

  async #look(): Promise<void> {
    const fence = this.#fence;
    if (fence === null) return;
    try {
      this.#client ??= await connectPooler(this.#pooler);
      await this.#client.query(fenceText(fence));
      const heads = this.#trouble === null ? null : await headsThrough(this.#client, fence);
      if (heads !== null && this.#isStill(fence)) this.#back(heads);
    } catch (error) {
      await this.#leave();
      if (this.#isStill(fence)) this.#lost(error);
    }
  }

  /** Whether what was found out with a fence still counts. */
  #isStill(fence: number): boolean {
    return !this.#stopped && this.#fence === fence;
  }

  #back(heads: readonly Notice[]): void {
    this.#trouble = null;
    this.#events.back(heads);
  }

  #lost(error: unknown): void {
    const before = this.#trouble;
    this.#trouble = isAstray(error) ? astrayText : silentText;
    if (before !== this.#trouble) this.#events.lost(error);
  }

  async #leave(): Promise<void> {
    const client = this.#client;
    this.#client = null;
    await client?.end().catch(() => undefined);
  }
}

const unknownText = 'The database does not answer';
const silentText = 'The pooler in front of the database does not answer';

/** One transaction: the revisions are those of the session's database. */
async function headsThrough(client: pg.Client, fence: number): Promise<Notice[]> {
  await client.query(`BEGIN; ${fenceText(fence)}`);
  const { rows } = await client.query<Notice>('SELECT id AS tenant, revision FROM tenants');
  await client.query('COMMIT');
  return rows;
}
