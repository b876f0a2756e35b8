import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { OperatorError } from '../../errors.ts';
import { measureWell } from './clock.ts';
import { openFailure } from './failures.ts';
import { takeFence } from './fence.ts';
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
 * Marks the database as used, as long as a session lives. Both numbers make one name. Controllers share the lock; a copy of
 * the whole database has it alone.
 */
const lockName = [0x5a11, 1] as const;
/** First half of the name of the lock by which others see that the session of a replica lives. */
export const replicaSpace = 0x5a15;
/** One controller at a time starts: it migrates, and makes what every installation has once. */
export const startLock = [0x5a14, 1] as const;
/** How long a start waits for a controller that is just ending. */
const patienceMs = 5_000;
const retryMs = 200;
/** What this process knows of the database counts for this long after the last answer. */
export const silenceMs = 10_000;

/** Somebody uses the database who does not share it. */
export class DatabaseTaken extends OperatorError {}

/** A session that holds the lock. */
export interface LockedSession extends Reached {
  /** Process of the server, and when it began: both name it among all. */
  readonly backend: { readonly pid: number; readonly since: string };
  /** Time of the database less elapsed time of this process. */
  readonly ahead: number;
  /** Name of the lock by which a transaction through a pooler finds the session. */
  readonly fence: number;
}

/**
 * Connects to the primary server, and takes the lock. `sharing`: null for a copy. `former`: session of this process that was lost; its server may not
 * know that yet. Throws OperatorError.
 */
export async function lockDatabase(
  places: PostgresPlaces,
  sharing: Sharing | null,
  former: LockedSession | null = null,
  accept?: Acceptance,
): Promise<LockedSession> {
  const reached = await reachPrimary(places, silenceMs, accept);
  const { client, place } = reached;
  try {
    // The server notices sooner that this machine has vanished, and can give the lock to another controller.
    await client.query('SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3');
    if (former !== null) await client.query(endBackend, [former.backend.pid, former.backend.since]);
    await takeLock(client, place, sharing);
    const { rows } = await client.query(ownBackend);
    const fence = await takeFence(client);
    return { ...reached, backend: rows[0], fence, ahead: await measureWell(client) };
  } catch (error) {
    await client.end().catch(() => undefined);
    throw openFailure(error, place);
  }
}

const ownBackend = 'SELECT pid, backend_start::text AS since FROM pg_stat_activity WHERE pid = pg_backend_pid()';
const endBackend = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
  WHERE pid = $1 AND backend_start::text = $2 AND pid <> pg_backend_pid()`;

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
  return sharing === null
    ? `a controller uses the database ${shownPlace(place)}${from}: stop all controllers first`
    : `the database ${shownPlace(place)} is used by a copy under way, or by an older controller that does not share it${from}: wait, or stop that one`;
}
