import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { OperatorError } from '../../errors.ts';
import { elapsed, type Measured, measure } from './clock.ts';
import { isLost } from './failures.ts';
import type { PostgresPlace, PostgresPlaces } from './place.ts';
import { cutConnection } from './pool.ts';
import type { Acceptance } from './server.ts';
import { DatabaseTaken, type LockedSession, lockDatabase, type Sharing, silenceMs, startLock } from './session.ts';

/** What the holder of the lock is told. */
export interface LockEvents {
  /** The connection is gone. Nothing may use the database until it is back. */
  readonly lost: (error: unknown) => void;
  /** The lock was taken again, and nothing uses the database yet. A rejection means that this process cannot go on. */
  readonly check: (session: LockedSession) => Promise<void>;
  /** Looks at the server now and then. OperatorError means that this process cannot go on. */
  readonly look: (client: pg.Client) => Promise<void>;
  /** No server can be used, for a reason that was not told last. */
  readonly refused?: (error: unknown) => void;
  /** The database can be used again. */
  readonly back: () => void;
  /** This process cannot go on: another controller has the database, or had it. */
  readonly ended: (error: unknown) => void;
  /** A notification arrived on one of the channels of `Sharing`. */
  readonly heard?: (payload: string) => void;
}

const retryMs = 200;
/** What a lock is taken with, again and again. */
export interface LockSettings {
  readonly places: PostgresPlaces;
  readonly sharing: Sharing;
  readonly accept: Acceptance;
}

const pingMs = 2_000;
/** Most notifications that wait to be sent. They may get lost, so more are dropped. */
const mostUnsent = 10_000;

/**
 * The lock of a controller on its database: a session of its own that holds an advisory lock. It measures the database's
 * clock on the way. When the session ends, it tries to get the lock back until it is stopped.
 */
export class ControllerLock {
  readonly #settings: LockSettings;
  readonly #events: LockEvents;
  #client: pg.Client;
  /** When the server was asked last and answered, as elapsed time. */
  #contactAt = elapsed.now();
  #held = true;
  readonly #unsent: [channel: string, payload: string][] = [];
  /** Ends with the statement under way. */
  #last: Promise<unknown> = Promise.resolve();
  #stopped = false;
  #timer: NodeJS.Timeout | null = null;
  #patience: NodeJS.Timeout | null = null;
  #returning: Promise<void> | null = null;
  #session: LockedSession;
  /** Time of the database less elapsed time. */
  #ahead: number;

  constructor(settings: LockSettings, session: LockedSession, events: LockEvents) {
    this.#settings = settings;
    this.#events = events;
    this.#session = session;
    this.#client = session.client;
    this.#ahead = session.ahead;
    this.#watch(session.client);
  }

  /** Null: there is none at the moment. */
  get session(): LockedSession | null {
    return this.#held ? this.#session : null;
  }

  /** The server that the session is at, or was last. */
  get place(): PostgresPlace {
    return this.#session.place;
  }

  /**
   * Whether the database can be used. A process that was stopped, or whose machine was suspended, knows at once that it was
   * away, before any timer has run.
   */
  get usable(): boolean {
    return this.#held && this.silentMs < silenceMs;
  }

  /** Milliseconds since the server last answered. */
  get silentMs(): number {
    return elapsed.now() - this.#contactAt;
  }

  /** The time of the database, epoch milliseconds. A new setting of this machine's clock does not change it. */
  get now(): number {
    return Math.round(elapsed.now() + this.#ahead);
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
      const notification = { name: 'notify', text: 'SELECT pg_notify($1, $2)', values: next };
      if (this.#held) await this.#alone((client) => client.query(notification)).catch(() => undefined);
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
    this.#stopTimers();
    await this.#client.end().catch(() => undefined);
    await this.#returning;
  }

  #watch(client: pg.Client): void {
    client.on('error', (error) => this.#lost(client, error));
    client.on('end', () => this.#lost(client, new Error('the connection ended')));
    client.on('notification', ({ payload }) => this.#events.heard?.(payload ?? ''));
    this.#contactAt = elapsed.now();
    this.#pingLater(client);
  }

  #pingLater(client: pg.Client): void {
    this.#stopTimers();
    const giveUp = () => this.#lost(client, new Error(`the database was silent for ${silenceMs / 1000} s`));
    this.#patience = setTimeout(giveUp, Math.max(0, silenceMs - this.silentMs)).unref();
    this.#timer = setTimeout(() => {
      const askedAt = elapsed.now();
      this.#alone(() => this.#look(client)).then(
        (measured) => {
          // An answer from before a stop of this process, or a question that waited behind others.
          if (elapsed.now() - this.#contactAt >= silenceMs) return giveUp();
          if (client !== this.#client || !this.#held) return;
          this.#ahead = measured.isExact ? measured.ahead : this.#ahead;
          this.#contactAt = askedAt;
          this.#pingLater(client);
        },
        (error: unknown) => (error instanceof OperatorError ? this.#end(client, error) : this.#lost(client, error)),
      );
    }, pingMs).unref();
  }

  #stopTimers(): void {
    for (const timer of [this.#timer, this.#patience]) if (timer !== null) clearTimeout(timer);
  }

  async #look(client: pg.Client): Promise<Measured> {
    const measured = await measure(client);
    await this.#events.look(client);
    return measured;
  }

  /** Ends the use of a session. Returns false when it is not the present session. */
  #giveUp(client: pg.Client): boolean {
    if (this.#stopped || client !== this.#client || !this.#held) return false;
    this.#held = false;
    this.#stopTimers();
    cutConnection(client);
    return true;
  }

  #end(client: pg.Client, error: unknown): void {
    if (this.#giveUp(client)) this.#events.ended(error);
  }

  #lost(client: pg.Client, error: unknown): void {
    if (!this.#giveUp(client)) return;
    this.#events.lost(error);
    this.#returning = this.#return().catch((failure: unknown) => this.#events.ended(failure));
  }

  async #return(): Promise<void> {
    let told = '';
    const tell = (error: unknown) => {
      if (String(error) !== told) this.#events.refused?.(error);
      told = String(error);
    };
    const { places, sharing, accept } = this.#settings;
    while (!this.#stopped) {
      const former = this.#session;
      const session = await lockDatabase(places, sharing, former, accept).catch(async (error: unknown) => {
        // Another controller has it: this one must not go on with what it remembers.
        if (error instanceof DatabaseTaken) throw error;
        tell(error);
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
        tell(error);
        await sleep(retryMs);
        continue;
      }
      if (this.#stopped) return void (await client.end().catch(() => undefined));
      this.#session = session;
      this.#client = client;
      this.#ahead = session.ahead;
      this.#held = true;
      this.#watch(client);
      this.#events.back();
      return;
    }
  }
}
