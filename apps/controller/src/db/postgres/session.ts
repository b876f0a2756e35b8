import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { OperatorError } from '../../errors.ts';
import { openFailure } from './failures.ts';
import { type PostgresPlace, type PostgresPlaces, shownPlace } from './place.ts';
import { type Acceptance, type Reached, reachPrimary } from './server.ts';

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
export const startLock = [0x5a14, 1] as const;
/** How long a start waits for a controller that is just ending. */
const patienceMs = 5_000;
const retryMs = 200;
/** A session that does not answer for this long is given up. */
const silenceMs = 10_000;

/** Another controller uses the database. */
export class DatabaseTaken extends OperatorError {}

/** A session that holds the lock. */
export interface LockedSession extends Reached {
  readonly skewMs: number;
}

/** Connects to the primary server, and takes the lock. Throws OperatorError. */
export async function lockDatabase(
  places: PostgresPlaces,
  sharing: Sharing | null = null,
  accept?: Acceptance,
): Promise<LockedSession> {
  const reached = await reachPrimary(places, silenceMs, accept);
  const { client, place } = reached;
  try {
    // The server notices sooner that this machine has vanished, and can give the lock to another controller.
    await client.query('SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3');
    await takeLock(client, place, sharing);
    return { ...reached, skewMs: (await measure(client)) ?? 0 };
  } catch (error) {
    await client.end().catch(() => undefined);
    throw openFailure(error, place);
  }
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
export async function measure(client: pg.Client): Promise<number | null> {
  const [at, began] = [Date.now(), performance.now()];
  const { rows } = await client.query(
    'SELECT extract(epoch FROM clock_timestamp()) * 1000 AS now, pg_is_in_recovery() AS recovers',
  );
  if (rows[0].recovers === 1) throw new Error('the server has become a standby');
  const took = performance.now() - began;
  return took > slowestMs ? null : Math.round(rows[0].now - at - took / 2);
}
