import { randomUUID } from 'node:crypto';
import { type Kysely, sql } from 'kysely';
import type pg from 'pg';
import { OperatorError } from '../../errors.ts';
import { decodeJson, encodeJson } from '../json.ts';
import type { Database } from '../schema.ts';
import { timeOf } from './clock.ts';
import { codeOf, DatabaseUnavailable } from './failures.ts';
import { type PostgresPlace, shownPlace } from './place.ts';
import type { ServerIdentity } from './server.ts';

/** A time in which one server was the primary one. It ends with the promotion of another. */
interface Reign {
  readonly timeline: number;
  /** Random, made by the controller that saw the promotion first. */
  readonly mark: string;
}

/** What the table `meta` says of the primary server. */
interface PrimaryRecord extends Reign {
  readonly system: string | null;
  /** Whether a new epoch has begun with it. */
  readonly epoch: boolean;
  /** Version of the note by which that was decided. */
  readonly judged: number;
  /** Those before, the last one first. */
  readonly earlier: readonly Reign[];
}

/** Whether everything that was acknowledged is on a standby too. */
export interface SynchronousNote {
  readonly synchronous: boolean;
  /** Grows with each change. */
  readonly version: number;
}

/** The primary server as one process has last used it. */
export interface KnownPrimary extends Reign, SynchronousNote {
  readonly system: string | null;
}

/** A promotion that acknowledged changes may not have outlived. */
export interface Loss {
  readonly from: number;
  readonly to: number;
  /** When the new epoch began, ISO 8601. */
  readonly at: string;
}

/** What was found about the primary server, and noted. */
export interface Settled {
  /** Null: the server does not tell its timeline. */
  readonly known: KnownPrimary | null;
  /** A new epoch has begun now; null: none was needed. */
  readonly loss: Loss | null;
  /** Another server is on a later timeline than the one used before. */
  readonly promoted: boolean;
  /** The database was moved to files of another origin, by a dump or by pg_upgrade. */
  readonly copied: boolean;
  /** The present epoch; null: none yet. */
  readonly epoch: string | null;
}

const [recordKey, noteKey, epochKey] = ['primary', 'primary_synchronous', 'epoch'];
/** Row of `meta` that stays until the loss was written into the audit logs. */
export const lossKey = 'failover_loss';
const mostEarlier = 50;

/**
 * Throws OperatorError when a server that takes writes is an old primary one, or was promoted beside the one that this process
 * knows.
 */
export async function refuseStale(
  client: pg.Client,
  { system, timeline }: ServerIdentity,
  place: PostgresPlace,
  known: KnownPrimary | null,
): Promise<void> {
  if (known === null || timeline === null || isOther(known.system, system)) return;
  const where = shownPlace(place);
  if (timeline < known.timeline)
    throw new OperatorError(
      `PostgreSQL at ${where} is an old primary server, on timeline ${timeline}; this controller has used timeline ${known.timeline}. Make it a standby of the present primary server, or start with SALLYPORT_NEW_EPOCH=true to go back to it`,
    );
  const record = await readRecord(client).catch((error: unknown) => {
    if (codeOf(error) === noTable) return null;
    throw error;
  });
  if (record === null || [record, ...record.earlier].some(({ mark }) => mark === known.mark)) return;
  throw new OperatorError(
    `PostgreSQL at ${where} does not come from the primary server that this controller used last: another standby was promoted, or it is another database. Start with SALLYPORT_NEW_EPOCH=true to use it nevertheless`,
  );
}

/** State of a statement that names a table which is not there. */
const noTable = '42P01';

const isOther = (a: string | null, b: string | null): boolean => a !== null && b !== null && a !== b;

/**
 * Notes in the database which server is the primary one. After a promotion, a new epoch begins unless it is certain that every
 * acknowledged change was on the promoted server: `known` is what this process knows of the time before, and `behind` says
 * that the database lacks a change that this process has seen. To be called with the lock of the controller. All of it
 * happens once, whichever controller comes first, and in one transaction.
 */
export async function settlePrimary(
  client: pg.Client,
  server: ServerIdentity,
  known: KnownPrimary | null,
  behind: boolean,
): Promise<Settled> {
  const unchanged = await unchangedOf(client, server, known);
  if (unchanged !== null) return unchanged;
  await client.query('BEGIN');
  try {
    const settled = await settle(client, server, known, behind);
    await client.query('COMMIT');
    return settled;
  } catch (error) {
    await client.query('ROLLBACK').catch(() => undefined);
    throw error;
  }
}

/** Null: something has to be stored. Nothing is locked here, because a commit may have to wait for a standby. */
async function unchangedOf(
  client: pg.Client,
  { system, timeline }: ServerIdentity,
  known: KnownPrimary | null,
): Promise<Settled | null> {
  const record = await readRecord(client);
  const epoch = await metaValue(client, epochKey);
  const settled = { known: null, loss: null, promoted: false, copied: false, epoch };
  if (timeline === null) return settled;
  if (record?.timeline !== timeline || isOther(record.system, system)) return null;
  if (known !== null && known.timeline < timeline) return null;
  const stored = await readNote(client);
  const newest = newer(known, stored);
  const { synchronous, standbys } = await replicationOf(client);
  const waitsInVain = synchronous && standbys === 0;
  if (newest.version > stored.version && !waitsInVain) return null;
  return synchronous === newest.synchronous || waitsInVain ? { ...settled, known: knownOf(record, newest) } : null;
}

const newer = (known: KnownPrimary | null, stored: SynchronousNote): SynchronousNote =>
  known !== null && known.version > stored.version
    ? { synchronous: known.synchronous, version: known.version }
    : stored;

async function settle(
  client: pg.Client,
  { system, timeline }: ServerIdentity,
  known: KnownPrimary | null,
  behind: boolean,
): Promise<Settled> {
  const record = await readRecord(client, 'FOR UPDATE');
  const epoch = await metaValue(client, epochKey);
  const settled = { known: null, loss: null, promoted: false, copied: false, epoch };
  if (timeline === null) return settled;
  const stored = await readNote(client);
  const follows = record !== null && !isOther(record.system, system) && record.timeline <= timeline;
  if (!follows) {
    const first = { system, timeline, mark: randomUUID(), epoch: false, judged: 0, earlier: [] };
    return { ...settled, known: await write(client, first, stored.version + 1), copied: record !== null };
  }
  const noted = record.timeline === timeline;
  if (noted && (known === null || known.timeline >= timeline))
    return { ...settled, known: knownOf(record, await renew(client, newer(known, stored))) };
  const judged = noted ? record.judged : stored.version;
  const knowsMore = known !== null && known.version > judged;
  const certain = !behind && (knowsMore ? known.synchronous : noted || stored.synchronous);
  const begins = !certain && epoch !== null && !(noted && record.epoch);
  if (noted && !begins) return { ...settled, promoted: true, known: knownOf(record, stored) };
  const present = noted ? record : next(record, system, timeline, judged);
  const version = Math.max(stored.version, known?.version ?? 0) + 1;
  const after = await write(client, { ...present, epoch: present.epoch || begins }, version);
  if (!begins) return { ...settled, promoted: true, known: after };
  const loss = {
    from: known?.timeline ?? record.timeline,
    to: timeline,
    at: new Date(await timeOf(client)).toISOString(),
  };
  return { ...settled, promoted: true, known: after, loss, epoch: await beginEpoch(client, loss) };
}

const next = (before: PrimaryRecord, system: string | null, timeline: number, judged: number): PrimaryRecord => ({
  system: system ?? before.system,
  timeline,
  mark: randomUUID(),
  epoch: false,
  judged,
  earlier: [{ timeline: before.timeline, mark: before.mark }, ...before.earlier].slice(0, mostEarlier),
});

const knownOf = ({ system, timeline, mark }: PrimaryRecord, note: SynchronousNote): KnownPrimary => ({
  ...{ system, timeline, mark },
  ...note,
});

/** Begins a new epoch, and leaves a row for the audit logs. */
async function beginEpoch(client: pg.Client, loss: Loss): Promise<string> {
  const epoch = randomUUID();
  await put(client, epochKey, epoch);
  await put(client, lossKey, encodeJson(loss));
  return epoch;
}

/** Stores whether commits wait for a standby. `newest`: what is known of that. */
async function renew(client: pg.Client, newest: SynchronousNote): Promise<SynchronousNote> {
  const { synchronous } = await replicationOf(client);
  const changed = { synchronous, version: newest.version + 1 };
  const note = synchronous === newest.synchronous ? newest : changed;
  await put(client, noteKey, noteText(note));
  return note;
}

async function replicationOf(client: pg.Client): Promise<{ synchronous: boolean; standbys: number }> {
  const { rows } = await client.query(replicationText);
  return { synchronous: rows[0].waits === 1, standbys: rows[0].standbys };
}

async function write(client: pg.Client, record: PrimaryRecord, version: number): Promise<KnownPrimary> {
  // When commits wait for a standby, the commit of this row is the proof that one has all that came before.
  const { synchronous, standbys } = await replicationOf(client);
  const note = { version, synchronous };
  if (synchronous && standbys === 0) throw new DatabaseUnavailable(waitingText);
  await put(client, recordKey, encodeJson(record));
  await put(client, noteKey, noteText(note));
  return knownOf(record, note);
}

/** Why no change is possible. */
export const waitingText =
  'the database server waits for a synchronous standby with each change, and none is attached: attach one, or empty synchronous_standby_names';

/** Asks whether each commit waits until a standby has it on its disk, and how many standbys are attached. */
export const replicationText = `SELECT (current_setting('synchronous_standby_names') <> ''
    AND current_setting('synchronous_commit') IN ('on', 'remote_apply')) AS waits,
  (SELECT count(*) FROM pg_stat_replication) AS standbys`;

const noteText = ({ version, synchronous }: SynchronousNote): string => `${version} ${synchronous}`;

async function readNote(client: pg.Client): Promise<SynchronousNote> {
  const [version = '0', synchronous] = (await metaValue(client, noteKey))?.split(' ') ?? [];
  return { version: Number(version), synchronous: synchronous === 'true' };
}

/** Stores a note unless there is a newer one. When commits wait for a standby, this one does too. */
export async function storeNote(db: Kysely<Database>, note: SynchronousNote): Promise<void> {
  await sql`INSERT INTO meta (key, value) VALUES (${noteKey}, ${noteText(note)})
    ON CONFLICT (key) DO UPDATE SET value = excluded.value
    WHERE split_part(meta.value, ' ', 1)::int < ${note.version}`.execute(db);
}

async function readRecord(client: pg.Client, lock: '' | 'FOR UPDATE' = ''): Promise<PrimaryRecord | null> {
  const text = await metaValue(client, recordKey, lock);
  return text === null ? null : decodeJson<PrimaryRecord>(text);
}

async function metaValue(client: pg.Client, key: string, lock: '' | 'FOR UPDATE' = ''): Promise<string | null> {
  const { rows } = await client.query<{ value: string }>(`SELECT value FROM meta WHERE key = $1 ${lock}`, [key]);
  return rows[0]?.value ?? null;
}

async function put(client: pg.Client, key: string, value: string): Promise<void> {
  await client.query(
    'INSERT INTO meta (key, value) VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET value = excluded.value',
    [key, value],
  );
}
