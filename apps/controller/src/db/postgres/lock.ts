import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { isLost } from './failures.ts';
import type { PostgresPlaces } from './place.ts';
import { DatabaseTaken, type LockedSession, lockDatabase, measure, type Sharing, startLock } from './session.ts';

/** What the holder of the lock is told. */
export interface LockEvents {
  /** The connection is gone. Nothing may use the database until it is back. */
  readonly lost: (error: unknown) => void;
  /** The lock was taken again, and nothing uses the database yet. A rejection means that this process cannot go on. */
  readonly check: (session: LockedSession) => Promise<void>;
  /** The database can be used again. */
  readonly back: () => void;
  /** This process cannot go on: another controller has the database, or had it. */
  readonly ended: (error: unknown) => void;
  /** A notification arrived on one of the channels of `Sharing`. */
  readonly heard?: (payload: string) => void;
}

const retryMs = 200;
const pingMs = 5_000;
const sharedPingMs = 2_000;
/** Most notifications that wait to be sent. They may get lost, so more are dropped. */
const mostUnsent = 10_000;
/**
 * The lock of a controller on its database: a session of its own that holds an advisory lock. It measures the database's
 * clock on the way. When the session ends, it tries to get the lock back until it is stopped.
 */
export class ControllerLock {
  readonly #places: PostgresPlaces;
  readonly #sharing: Sharing | null;
  readonly #events: LockEvents;
  #client: pg.Client;
  /** When the server was asked last and answered, by the monotonic clock. */
  #contactAt = performance.now();
  #held = true;
  readonly #unsent: [channel: string, payload: string][] = [];
  /** Ends with the statement under way. */
  #last: Promise<unknown> = Promise.resolve();
  #stopped = false;
  #timer: NodeJS.Timeout | null = null;
  #returning: Promise<void> | null = null;
  /** Milliseconds by which the clock of the database is ahead of the one of this machine. */
  skewMs: number;

  constructor(places: PostgresPlaces, sharing: Sharing | null, { client, skewMs }: LockedSession, events: LockEvents) {
    this.#places = places;
    this.#sharing = sharing;
    this.#events = events;
    this.#client = client;
    this.skewMs = skewMs;
    this.#watch(client);
  }

  get held(): boolean {
    return this.#held;
  }

  /** Milliseconds since the server last answered. */
  get silentMs(): number {
    return performance.now() - this.#contactAt;
  }

  /** The session may be at another server than new connections: gives it up, and looks for the primary server. */
  doubt(error: unknown): void {
    this.#lost(this.#client, error);
  }

  /** Sends a notification, which may get lost. Returns false when too many wait already. */
  notify(channel: string, payload: string): boolean {
    if (this.#unsent.length >= mostUnsent) return false;
    if (this.#unsent.push([channel, payload]) === 1) void this.#sendAll();
    return true;
  }

  /** One after the other, as the driver wants it. */
  async #sendAll(): Promise<void> {
    for (let next = this.#unsent[0]; next !== undefined; next = this.#unsent[0]) {
      const texts = next;
      if (this.#held)
        await this.#alone((client) => client.query('SELECT pg_notify($1, $2)', texts)).catch(() => undefined);
      this.#unsent.shift();
    }
  }

  /** Uses the connection while no other statement does. */
  #alone<T>(work: (client: pg.Client) => Promise<T>): Promise<T> {
    const done = this.#last.then(() => work(this.#client));
    this.#last = done.catch(() => undefined);
    return done;
  }

  /** Lets the next controller start. */
  async started(): Promise<void> {
    await this.#alone((client) => client.query('SELECT pg_advisory_unlock($1, $2)', [...startLock]));
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#held = false;
    if (this.#timer !== null) clearTimeout(this.#timer);
    await this.#client.end().catch(() => undefined);
    await this.#returning;
  }

  #watch(client: pg.Client): void {
    client.on('error', (error) => this.#lost(client, error));
    client.on('end', () => this.#lost(client, new Error('the connection ended')));
    client.on('notification', ({ payload }) => this.#events.heard?.(payload ?? ''));
    this.#contactAt = performance.now();
    this.#pingLater(client);
  }

  #pingLater(client: pg.Client): void {
    this.#timer = setTimeout(
      () => {
        const askedAt = performance.now();
        this.#alone(() => measure(client)).then(
          (skewMs) => {
            this.skewMs = skewMs ?? this.skewMs;
            this.#contactAt = askedAt;
            if (client === this.#client && this.#held) this.#pingLater(client);
          },
          (error: unknown) => this.#lost(client, error),
        );
      },
      this.#sharing === null ? pingMs : sharedPingMs,
    );
    this.#timer.unref();
  }

  #lost(client: pg.Client, error: unknown): void {
    if (this.#stopped || client !== this.#client || !this.#held) return;
    this.#held = false;
    void client.end().catch(() => undefined);
    this.#events.lost(error);
    this.#returning = this.#return().catch((failure: unknown) => this.#events.ended(failure));
  }

  async #return(): Promise<void> {
    while (!this.#stopped) {
      const session = await lockDatabase(this.#places, this.#sharing).catch(async (error: unknown) => {
        // Another controller has it: this one must not go on with what it remembers.
        if (error instanceof DatabaseTaken) throw error;
        await sleep(retryMs);
        return null;
      });
      if (session === null) continue;
      const { client } = session;
      client.on('error', () => undefined);
      try {
        await this.#events.check(session);
      } catch (error) {
        await client.end().catch(() => undefined);
        if (!isLost(error)) throw error;
        continue;
      }
      if (this.#stopped) return void (await client.end().catch(() => undefined));
      this.#client = client;
      this.skewMs = session.skewMs;
      this.#held = true;
      this.#watch(client);
      this.#events.back();
      return;
    }
  }
}
