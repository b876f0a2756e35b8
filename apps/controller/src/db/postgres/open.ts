import { randomInt } from 'node:crypto';
import { Kysely } from 'kysely';
import type pg from 'pg';
import { OperatorError } from '../../errors.ts';
import type { Database } from '../schema.ts';
import { type Migrations, postgresMigrations } from '../schema-versions.ts';
import type { Notice } from '../types.ts';
import { postgresDialect } from './dialect.ts';
import { codeOf, openFailure } from './failures.ts';
import { lostText, type PrimaryMemory, PrimaryServer, type Replication } from './known-primary.ts';
import { ControllerLock } from './lock.ts';
import { migratePostgres, refuseUnusable, schemaOf } from './migrate.ts';
import { type PostgresPlace, type PostgresPlaces, shownPlace } from './place.ts';
import { PostgresPool, type ServerStart } from './pool.ts';
import { PoolWatch } from './pool-watch.ts';
import type { Settled } from './primary.ts';
import { RivalWatch } from './rivals.ts';
import { beginStart, type LockedSession, lockDatabase, type Sharing } from './session.ts';

/** What the opener of a PostgreSQL database is told later. */
export interface PostgresEvents {
  readonly lost: (error: unknown) => void;
  /** The database answers again, with these revisions of tenants. It throws when the process cannot go on with them. */
  readonly check: (heads: readonly Notice[]) => void;
  /** The database can be used again. */
  readonly back: (heads: readonly Notice[]) => void;
  /** This process cannot go on with the database. */
  readonly ended: (error: unknown) => void;
  /** The database has another primary server now, and no acknowledged change was lost with the one before. */
  readonly moved?: (place: PostgresPlace, primary: Pick<PrimaryServer, 'timeline'>) => void;
  /** What a failover can lose has changed. */
  readonly replication?: (replication: Replication) => void;
  /** No server can be used at the moment, for a reason that was not told last. */
  readonly refused?: (error: unknown) => void;
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

/** The server that a database is on. */
export interface DatabaseServer {
  /** User, host, port and database. */
  readonly address: string;
  /** Grows with each promotion; null: the server does not tell. */
  readonly timeline: number | null;
  readonly replication: Replication;
}

/** What looks at the server while it is used. */
interface Watches {
  readonly primary: PrimaryServer;
  readonly watch: PoolWatch | null;
  readonly rivals: RivalWatch;
}

/** A PostgreSQL database as this controller uses it. */
export class PostgresDatabase extends Kysely<Database> {
  readonly #lock: ControllerLock;
  readonly #primary: PrimaryServer;
  readonly #watch: PoolWatch | null;
  readonly #rivals: RivalWatch;
  /** Whether no controller has ever started with this database. */
  readonly isFresh: boolean;
  /** What was found about the server at the start. */
  readonly settled: Settled;

  constructor(
    pool: PostgresPool,
    lock: ControllerLock,
    { primary, watch, rivals }: Watches,
    { isFresh, settled }: { readonly isFresh: boolean; readonly settled: Settled },
  ) {
    super({ dialect: postgresDialect(pool) });
    this.#watch = watch;
    this.#rivals = rivals;
    this.#lock = lock;
    this.#primary = primary;
    this.isFresh = isFresh;
    this.settled = settled;
  }

  /** Notes the epoch of this process, which ends when the database has a different epoch. */
  worksIn(epoch: string): void {
    this.#primary.worksIn(epoch);
  }

  /** Returns where the database is at the moment, and what a failover of its server can lose. */
  server(): DatabaseServer {
    const { timeline, replication } = this.#primary;
    return { address: shownPlace(this.#lock.place), timeline, replication };
  }

  /** The time of the database, epoch milliseconds. */
  readonly now = (): number => this.#lock.now;

  /** Returns why the controller cannot serve at the moment; null when it can. */
  trouble(): string | null {
    return this.unreachable() ?? clockTrouble(this.skewMs());
  }

  /** Returns why the database cannot be used at the moment; null when it can. */
  unreachable(): string | null {
    if (!this.#lock.usable) return 'The database does not answer';
    return this.#watch?.trouble ?? null;
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
    await this.#watch?.stop();
    await this.#rivals.stop();
    await this.#lock.stop();
  }
}

/** How a PostgreSQL database is opened. */
export interface PostgresOpening {
  readonly migrations?: Migrations;
  /** Left out: others tell this process nothing. */
  readonly sharing?: Sharing;
  /** Left out: nothing is known of earlier servers. */
  readonly memory?: PrimaryMemory;
}

const unheard = (): Sharing => ({ key: randomInt(2 ** 31), channels: [] });

/** Opens a PostgreSQL database and migrates it to the present schema. Throws OperatorError. */
export async function openPostgres(
  places: PostgresPlaces,
  events: PostgresEvents,
  { migrations = postgresMigrations, sharing = unheard(), memory }: PostgresOpening = {},
): Promise<PostgresDatabase> {
  const primary = new PrimaryServer(memory ?? null);
  const session = await lockDatabase(places, sharing, null, primary.accept);
  const { client, place } = session;
  let { fence } = session;
  try {
    await beginStart(client);
    const { tables } = await schemaOf(client);
    await migratePostgres(client, place, migrations);
    const isFresh = !tables.has('meta') || !(await hasIdentity(client));
    const settled = await primary.settle(session, false);
    let heads: Notice[] = [];
    const watch = await PoolWatch.begin(session, {
      ...events,
      lost: (error) => {
        // The pooler says nothing, so what is under way gets no answer either. What it refuses has ended by itself.
        if (codeOf(error) === '') pool.cut();
        events.lost(error);
      },
    });
    const left = () =>
      watch === null ? lock.doubt(new Error('a new connection has led to another server')) : watch.lookSoon();
    const startOf = ({ server, fence }: LockedSession): ServerStart => ({ startedAt: server.startedAt, fence, left });
    const usable = () => lock.usable && (watch === null || watch.trouble === null);
    const pool = new PostgresPool(place, usable, startOf(session));
    const lock = new ControllerLock({ places, sharing, accept: primary.accept }, session, {
      ...events,
      lost: (error) => {
        watch?.sessionLost();
        pool.cut();
        events.lost(error);
      },
      check: async (session) => {
        // A newer version may have changed the database meanwhile.
        refuseUnusable(await schemaOf(session.client), session.place, migrations);
        heads = await checkReturn(session, primary, events);
        pool.moveTo(session.place, startOf(session));
        fence = session.fence;
      },
      look: async (client) => {
        const before = primary.replication;
        await primary.look(client);
        if (differ(before, primary.replication)) events.replication?.(primary.replication);
        void primary.note(database).catch(() => undefined);
      },
      back: () => (watch === null ? events.back(heads) : watch.sessionBack(fence)),
    });
    const rivals = new RivalWatch(places, {
      present: () => lock.session,
      found: (place) => lock.doubt(new Error(`PostgreSQL at ${shownPlace(place)} has become the primary server`)),
    });
    const database = new PostgresDatabase(pool, lock, { primary, watch, rivals }, { isFresh, settled });
    return database;
  } catch (error) {
    await client.end().catch(() => undefined);
    throw openFailure(error, place);
  }
}

const differ = (a: Replication, b: Replication): boolean =>
  a.kind !== b.kind || (a.standbys === 0) !== (b.standbys === 0);

/** Returns the revisions of tenants after a loss of the session. Throws when this process cannot go on with the database. */
async function checkReturn(session: LockedSession, primary: PrimaryServer, events: PostgresEvents): Promise<Notice[]> {
  const { client } = session;
  const { rows: heads } = await client.query<Notice>('SELECT id AS tenant, revision FROM tenants');
  const trouble = failureOf(() => events.check(heads));
  const { loss, promoted } = await primary.settle(session, trouble !== null);
  if (loss !== null) throw new OperatorError(lostText);
  if (trouble !== null) throw trouble;
  if (promoted) events.moved?.(session.place, primary);
  return heads;
}

function failureOf(work: () => void): unknown {
  try {
    work();
    return null;
  } catch (error) {
    return error;
  }
}

const hasIdentity = async (client: pg.Client): Promise<boolean> =>
  (await client.query("SELECT 1 FROM meta WHERE key = 'identity'")).rows.length > 0;
