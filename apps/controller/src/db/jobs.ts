import { type Kysely, sql } from 'kysely';
import { hasRowLocks } from './dialect.ts';
import type { Database } from './schema.ts';
import type { Store } from './types.ts';

/** Work that one replica does for all. The numbers are names of locks, so they never change. */
const jobs = { mail: 1, upkeep: 2, signingKey: 3 } as const;

/** First half of the names of these locks. */
const space = 0x5a13;

/**
 * How often the runner shows that it lives, and how long it may be silent. A stopped process loses its job like a killed
 * one, only later.
 */
const [beatMs, silenceMs] = [10_000, 40_000];

/** Rejects when the job may belong to another replica by now. To be asked before each effect on the outside. */
export type StillRunner = () => Promise<void>;

/**
 * Runs a job unless another replica is running it. Returns whether it ran. The lock belongs to a transaction, so the job
 * of a killed process is free as soon as the database sees its connection end. In the embedded database there is no
 * other process to keep away.
 */
export async function asOnlyRunner(
  { db }: Pick<Store, 'db'>,
  job: keyof typeof jobs,
  work: (still: StillRunner) => Promise<void>,
): Promise<boolean> {
  if (!hasRowLocks(db)) {
    await work(async () => undefined);
    return true;
  }
  return db
    .transaction()
    .setIsolationLevel('read committed')
    .execute(async (trx) => {
      if (!(await take(trx, jobs[job]))) return false;
      const beats = new Beats(trx);
      try {
        await work(() => beats.now());
      } finally {
        beats.stop();
      }
      return true;
    });
}

/** Takes the lock of a job, and asks the server to end the connection soon after this process has fallen silent. */
async function take(trx: Kysely<Database>, job: number): Promise<boolean> {
  const lock = sql<{ taken: number }>`select pg_try_advisory_xact_lock(${sql.lit(space)}, ${sql.lit(job)}) as taken`;
  if ((await lock.execute(trx)).rows[0]?.taken !== 1) return false;
  const settings = {
    tcp_keepalives_idle: '10',
    tcp_keepalives_interval: '5',
    tcp_keepalives_count: '3',
    idle_in_transaction_session_timeout: String(silenceMs),
  };
  for (const [name, value] of Object.entries(settings))
    await sql`select set_config(${name}, ${value}, true)`.execute(trx);
  return true;
}

/** Shows the database now and then that the runner lives. */
class Beats {
  readonly #trx: Kysely<Database>;
  readonly #timer: NodeJS.Timeout;
  #failure: unknown = null;
  #last: Promise<void> = Promise.resolve();

  constructor(trx: Kysely<Database>) {
    this.#trx = trx;
    this.#timer = setInterval(() => void this.now().catch(() => undefined), beatMs);
    this.#timer.unref();
  }

  /** Asks the database. One after the other, because all use one connection. */
  now(): Promise<void> {
    this.#last = this.#last
      .catch(() => undefined)
      .then(async () => {
        if (this.#failure !== null) throw this.#failure;
        await sql`select 1`.execute(this.#trx).catch((error: unknown) => {
          this.#failure = error;
          throw error;
        });
      });
    return this.#last;
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}
