import { randomUUID } from 'node:crypto';
import { Kysely } from 'kysely';
import type pg from 'pg';
import { OperatorError } from '../../errors.ts';
import type { Database } from '../schema.ts';
import { type Migrations, postgresMigrations } from '../schema-versions.ts';
import type { Notice } from '../types.ts';
import { postgresDialect } from './dialect.ts';
import { openFailure } from './failures.ts';
import { ControllerLock } from './lock.ts';
import { migratePostgres, schemaOf } from './migrate.ts';
import type { PostgresPlaces } from './place.ts';
import { PostgresPool } from './pool.ts';
import { beginStart, lockDatabase, type Sharing } from './session.ts';

/** What the opener of a PostgreSQL database is told later. */
export interface PostgresEvents {
  readonly lost: (error: unknown) => void;
  /** The database answers again, with these revisions of tenants. It throws when the process cannot go on with them. */
  readonly check: (heads: readonly Notice[]) => void;
  /** The database can be used again. */
  readonly back: (heads: readonly Notice[]) => void;
  /** This process cannot go on with the database. */
  readonly ended: (error: unknown) => void;
  /** Another controller sent a notification. */
  readonly heard?: (payload: string) => void;
}

/** A clock that differs more than this from the one of the database makes the controller not ready. */
const mostSkewMs = 500;

/** Returns why a controller with this clock cannot serve; null when it can. `skewMs`: how far the database is ahead. */
export const clockTrouble = (skewMs: number): string | null =>
  Math.abs(skewMs) <= mostSkewMs
    ? null
    : `The clock of this machine differs by ${Math.abs(skewMs)} ms from the one of the database`;

/** A PostgreSQL database as this controller uses it. */
export class PostgresDatabase extends Kysely<Database> {
  readonly #lock: ControllerLock;
  /** Whether no controller has ever started with this database. */
  readonly isFresh: boolean;

  constructor(pool: PostgresPool, lock: ControllerLock, isFresh: boolean) {
    super({ dialect: postgresDialect(pool) });
    this.#lock = lock;
    this.isFresh = isFresh;
  }

  /** The time of the database, epoch milliseconds. */
  readonly now = (): number => this.#lock.now;

  /** Returns why the controller cannot serve at the moment; null when it can. */
  trouble(): string | null {
    if (!this.#lock.usable) return 'The database does not answer';
    return clockTrouble(this.skewMs());
  }

  /** Milliseconds since the server last answered on the connection that holds the lock. */
  silentMs(): number {
    return this.#lock.silentMs;
  }

  /** Milliseconds that the clock of the database is ahead of the one of this machine. */
  skewMs(): number {
    return this.#lock.now - Date.now();
  }

  /** Sends a notification to other controllers, which may get lost. Returns false when too many wait already. */
  notify(channel: string, payload: string): boolean {
    return this.#lock.notify(channel, payload);
  }

  /** To be called at the end of a start: the next controller may start. */
  async started(): Promise<void> {
    await this.#lock.started();
  }

  override async destroy(): Promise<void> {
    await super.destroy();
    await this.#lock.stop();
  }
}

/**
 * Opens a PostgreSQL database and migrates it to the present schema. Without `sharing` it is for this process alone: a
 * second controller is refused while this one lives. Throws OperatorError.
 */
export async function openPostgres(
  places: PostgresPlaces,
  events: PostgresEvents,
  migrations: Migrations = postgresMigrations,
  sharing: Sharing | null = null,
): Promise<PostgresDatabase> {
  const session = await lockDatabase(places, sharing);
  const { client, place, server } = session;
  const process = randomUUID();
  try {
    if (sharing !== null) await beginStart(client);
    const { tables } = await schemaOf(client);
    await migratePostgres(client, place, migrations);
    const isFresh = !tables.has('meta') || !(await hasIdentity(client));
    await sign(client, process);
    let heads: Notice[] = [];
    const left = () => lock.doubt(new Error('a new connection has led to another server'));
    const pool = new PostgresPool(place, () => lock.usable, { startedAt: server.startedAt, left });
    const lock = new ControllerLock(places, sharing, session, {
      ...events,
      lost: (error) => {
        pool.cut();
        events.lost(error);
      },
      check: async ({ client, place, server }) => {
        if (sharing === null) await refuseOthersWork(client, process);
        ({ rows: heads } = await client.query<Notice>('SELECT id AS tenant, revision FROM tenants'));
        events.check(heads);
        pool.moveTo(place, { startedAt: server.startedAt, left });
      },
      back: () => events.back(heads),
    });
    return new PostgresDatabase(pool, lock, isFresh);
  } catch (error) {
    await client.end().catch(() => undefined);
    throw openFailure(error, place);
  }
}

const hasIdentity = async (client: pg.Client): Promise<boolean> =>
  (await client.query("SELECT 1 FROM meta WHERE key = 'identity'")).rows.length > 0;

const signature = 'controller_process';

/** Notes which process has the database. A process that lost its lock learns by it whether a second one had the database. */
const sign = (client: pg.Client, process: string) =>
  client.query('INSERT INTO meta (key, value) VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET value = excluded.value', [
    signature,
    process,
  ]);

async function refuseOthersWork(client: pg.Client, process: string): Promise<void> {
  const { rows } = await client.query('SELECT value FROM meta WHERE key = $1', [signature]);
  if (rows[0]?.value !== process)
    throw new OperatorError(
      'another controller had the database while this one had lost it, or it was replaced by a copy: start again',
    );
}
