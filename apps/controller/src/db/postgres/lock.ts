import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { OperatorError } from '../../errors.ts';
import { isLost, openFailure } from './failures.ts';
import { type PostgresPlace, shownPlace } from './place.ts';
import { clientConfig } from './pool.ts';

/** What the holder of the lock is told. */
export interface LockEvents {
  /** The connection is gone. Nothing may use the database until it is back. */
  readonly lost: (error: unknown) => void;
  /** The lock was taken again, and nothing uses the database yet. A rejection means that this process cannot go on. */
  readonly check: (client: pg.Client) => Promise<void>;
  /** The database can be used again. */
  readonly back: () => void;
  /** This process cannot go on: another controller has the database, or had it. */
  readonly ended: (error: unknown) => void;
  /** A notification arrived on one of the channels of `Sharing`. */
  readonly heard?: (payload: string) => void;
}

/** How a controller shares its database with others. */
export interface Sharing {
  /** Names this process among the others: 31 bits, random. */
  readonly key: number;
  /** Channels that it listens on. */
  readonly channels: readonly string[];
}

/**
 * Marks the database as used by a controller, as long as its session lives. Both numbers make one name. Controllers that
 * share the database share the lock.
 */
const lockName = [0x5a11, 1] as const;
/** First half of the name of the lock by which others see that the session of a replica lives. */
export const replicaSpace = 0x5a15;
/** One controller at a time starts: it migrates, and makes what every installation has once. */
const startLock = [0x5a14, 1] as const;
/** How long a start waits for a controller that is just ending. */
const patienceMs = 5_000;
const retryMs = 200;
const pingMs = 5_000;
const sharedPingMs = 2_000;
/** Most notifications that wait to be sent. They may get lost, so more are dropped. */
const mostUnsent = 10_000;
/** A session that does not answer for this long is given up. */
const silenceMs = 10_000;

/**
 * The lock of a controller on its database: a session of its own that holds an advisory lock. It measures the database's
 * clock on the way. When the session ends, it tries to get the lock back until it is stopped.
 */
export class ControllerLock {
  readonly #place: PostgresPlace;
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

  constructor(place: PostgresPlace, sharing: Sharing | null, { client, skewMs }: LockedSession, events: LockEvents) {
    this.#place = place;
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
      const session = await lockDatabase(this.#place, this.#sharing).catch(async (error: unknown) => {
        // Another controller has it: this one must not go on with what it remembers.
        if (error instanceof DatabaseTaken) throw error;
        await sleep(retryMs);
        return null;
      });
      if (session === null) continue;
      const { client } = session;
      client.on('error', () => undefined);
      try {
        await this.#events.check(client);
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

/** Another controller uses the database. */
export class DatabaseTaken extends OperatorError {}

/** A session that holds the lock. */
export interface LockedSession {
  readonly client: pg.Client;
  readonly skewMs: number;
}

/** Connects to a server that a controller can use, and takes the lock. Throws OperatorError. */
export async function lockDatabase(place: PostgresPlace, sharing: Sharing | null = null): Promise<LockedSession> {
  const client = new pg.Client(clientConfig(place, silenceMs));
  client.on('error', () => undefined);
  try {
    await client.connect();
    await refuseUnfit(client, place);
    // The server notices sooner that this machine has vanished, and can give the lock to another controller.
    await client.query('SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3');
    await takeLock(client, place, sharing);
    return { client, skewMs: (await measure(client)) ?? 0 };
  } catch (error) {
    await client.end().catch(() => undefined);
    throw openFailure(error, place);
  }
}

const oldestServer = 140_000;

async function refuseUnfit(client: pg.Client, place: PostgresPlace): Promise<void> {
  const { rows } = await client.query(`SELECT current_setting('server_version_num')::int AS version,
    current_setting('server_version') AS shown, current_setting('server_encoding') AS encoding,
    pg_is_in_recovery() AS recovers, current_setting('transaction_read_only') AS reads, current_schema() AS schema`);
  const [{ version, shown, encoding, recovers, reads, schema }] = rows;
  const where = shownPlace(place);
  if (version < oldestServer) throw new OperatorError(`PostgreSQL at ${where} is ${shown}: 14 or newer is needed`);
  if (encoding !== 'UTF8')
    throw new OperatorError(
      `the database ${where} has the encoding ${encoding}: create it with ENCODING 'UTF8' (docs/postgresql.md)`,
    );
  if (recovers === 1)
    throw new OperatorError(`PostgreSQL at ${where} is a standby and takes no writes: name the primary server`);
  if (reads === 'on')
    throw new OperatorError(`the database ${where} takes no writes: default_transaction_read_only is on`);
  if (schema === null)
    throw new OperatorError(`the user ${place.user} has no schema to make tables in (docs/postgresql.md)`);
}

async function takeLock(client: pg.Client, place: PostgresPlace, sharing: Sharing | null): Promise<void> {
  const lock = sharing === null ? 'pg_try_advisory_lock' : 'pg_try_advisory_lock_shared';
  await takeSoon(client, lock, lockName, () => takenText(client, place, sharing));
  if (sharing === null) return;
  await takeSoon(client, 'pg_try_advisory_lock', [replicaSpace, sharing.key], async () => 'this replica runs already');
  for (const channel of sharing.channels) await client.query(`LISTEN ${channel}`);
}

async function takeSoon(
  client: pg.Client,
  lock: 'pg_try_advisory_lock' | 'pg_try_advisory_lock_shared',
  name: readonly [number, number],
  why: () => Promise<string>,
  withinMs = patienceMs,
): Promise<void> {
  const until = performance.now() + withinMs;
  for (;;) {
    const { rows } = await client.query(`SELECT ${lock}($1, $2) AS taken`, [...name]);
    if (rows[0].taken === 1) return;
    if (performance.now() > until) throw new DatabaseTaken(await why());
    await sleep(retryMs);
  }
}

/** How long a start waits for another controller that is starting. Its migrations may take a while. */
const startPatienceMs = 120_000;

/** Waits until no other controller is starting. */
export const beginStart = (client: pg.Client): Promise<void> =>
  takeSoon(
    client,
    'pg_try_advisory_lock',
    startLock,
    async () => 'another controller has been starting for two minutes: look at its log',
    startPatienceMs,
  );

async function takenText(client: pg.Client, place: PostgresPlace, sharing: Sharing | null): Promise<string> {
  const { rows } = await client.query(
    `SELECT host(client_addr) AS address, backend_start::text AS since FROM pg_stat_activity JOIN pg_locks USING (pid)
     WHERE locktype = 'advisory' AND granted AND classid = $1 AND objid = $2
     AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) LIMIT 1`,
    [...lockName],
  );
  const from = rows[0]?.address ? `, from ${rows[0].address} since ${rows[0].since}` : '';
  const used = `another controller uses the database ${shownPlace(place)}${from}`;
  return sharing === null
    ? `${used}. Only one can: stop it first`
    : `${used}, and does not share it: stop it, and start it with SALLYPORT_SEVERAL_CONTROLLERS=true too`;
}

/** A slower answer says too little about the moment in which it was given. */
const slowestMs = 250;

/** Returns by how many milliseconds the clock of the database is ahead; null when the answer took too long. */
async function measure(client: pg.Client): Promise<number | null> {
  const [at, began] = [Date.now(), performance.now()];
  const { rows } = await client.query(
    'SELECT extract(epoch FROM clock_timestamp()) * 1000 AS now, pg_is_in_recovery() AS recovers',
  );
  if (rows[0].recovers === 1) throw new Error('the server has become a standby');
  const took = performance.now() - began;
  return took > slowestMs ? null : Math.round(rows[0].now - at - took / 2);
}
