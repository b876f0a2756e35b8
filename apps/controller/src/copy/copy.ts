import { existsSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync, type SQLInputValue } from 'node:sqlite';
import type pg from 'pg';
import { prepareDataDirectory } from '../data-directory.ts';
import { migrate, schemaOf as schemaOfFile } from '../db/migrate.ts';
import { applyPending, schemaOf } from '../db/postgres/migrate.ts';
import { type PostgresPlaces, shownPlaces } from '../db/postgres/place.ts';
import { lockDatabase } from '../db/postgres/session.ts';
import {
  type Migrations,
  ownMigrations,
  pendingMigrations,
  postgresMigrations,
  type SchemaState,
  unusableMigrations,
} from '../db/schema-versions.ts';
import { OperatorError } from '../errors.ts';
import { syncDirectory } from '../secrets/master-key.ts';
import { Checksum, parentsFirst, type Table, tablesOf, type Values } from './tables.ts';

/** A copied table: its rows, and a checksum over them that both databases give. */
export interface CopiedTable {
  readonly table: string;
  readonly rows: number;
  readonly sha256: string;
}

const rowsAtOnce = 200;

/**
 * Copies the embedded database of a data directory into an empty PostgreSQL database, in one transaction: until its end the
 * target stays empty. Reads every table back and compares. No controller may run on either. Throws OperatorError.
 */
export async function copyToPostgres(dataDir: string, places: PostgresPlaces): Promise<CopiedTable[]> {
  const source = openSource(join(dataDir, 'sallyport.db'));
  try {
    refuseOther(schemaOfFile(source), ownMigrations, 'the database file');
    return await withLock(places, async (client) => {
      const state = await schemaOf(client);
      if (state.tables.size > 0)
        throw new OperatorError(`the database ${shownPlaces(places)} is not empty: nothing was copied`);
      await applyPending(client, state, postgresMigrations);
      await client.query('DELETE FROM meta');
      const copied: CopiedTable[] = [];
      for (const table of parentsFirst(source, tablesOf(source))) {
        await insertAll(client, table, rowsOfFile(source, table));
        copied.push(await same(table, ofFile(source, table), ofServer(client, table)));
      }
      return copied;
    });
  } finally {
    source.close();
  }
}

/**
 * Copies a PostgreSQL database into the embedded database of a data directory that has none. The file gets its name once it is
 * complete on the disk and compared. No controller may run on the database. Throws OperatorError.
 */
export async function copyFromPostgres(places: PostgresPlaces, dataDir: string): Promise<CopiedTable[]> {
  prepareDataDirectory(dataDir);
  const file = join(dataDir, 'sallyport.db');
  if (existsSync(file)) throw new OperatorError(`there is a database ${file} already: nothing was copied`);
  const partial = `${file}.partial`;
  const remove = () => {
    for (const end of ['', '-journal', '-wal', '-shm']) rmSync(`${partial}${end}`, { force: true });
  };
  remove();
  try {
    const copied = await withLock(places, async (client) => {
      refuseOther(await schemaOf(client), postgresMigrations, `the database ${shownPlaces(places)}`);
      return fillFile(client, partial);
    });
    renameSync(partial, file);
    syncDirectory(dataDir);
    return copied;
  } finally {
    remove();
  }
}

async function fillFile(client: pg.Client, file: string): Promise<CopiedTable[]> {
  const target = new DatabaseSync(file);
  try {
    target.exec('PRAGMA synchronous = FULL; PRAGMA foreign_keys = OFF');
    migrate(target);
    target.exec('BEGIN IMMEDIATE; DELETE FROM meta');
    const copied: CopiedTable[] = [];
    for (const table of tablesOf(target)) {
      const insert = target.prepare(insertText(table, 1, () => '?'));
      for await (const rows of rowsOfServer(client, table))
        for (const row of rows) insert.run(...(row as SQLInputValue[]));
      copied.push(await same(table, ofServer(client, table), ofFile(target, table)));
    }
    if (target.prepare('PRAGMA foreign_key_check').all().length > 0)
      throw new OperatorError('rows of the copy refer to rows that are not there: it was not kept');
    target.exec('COMMIT');
    return copied;
  } finally {
    target.close();
  }
}

/** Runs `work` in a transaction, while no controller can use the database. */
async function withLock<T>(places: PostgresPlaces, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const { client } = await lockDatabase(places, null);
  try {
    await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ');
    const result = await work(client);
    await client.query('COMMIT');
    return result;
  } finally {
    // Without a commit, the end of the connection undoes everything.
    await client.end().catch(() => undefined);
  }
}

function openSource(file: string): DatabaseSync {
  if (!existsSync(file)) throw new OperatorError(`there is no database ${file}`);
  const database = new DatabaseSync(file);
  try {
    database.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; COMMIT');
    return database;
  } catch {
    database.close();
    throw new OperatorError(`the database ${file} is in use or damaged: stop the controller first`);
  }
}

/** Both sides must have the schema of this program. */
function refuseOther(state: SchemaState, migrations: Migrations, what: string): void {
  if (!state.tables.has('meta')) throw new OperatorError(`${what} is empty: there is nothing to copy`);
  if (unusableMigrations(state, migrations).length > 0)
    throw new OperatorError(`${what} was written by a newer version: copy it with that version`);
  if (pendingMigrations(state, migrations).length > 0)
    throw new OperatorError(`${what} was written by an older version: start the controller of this version on it once`);
}

async function same(table: Table, source: Promise<Checksum>, target: Promise<Checksum>): Promise<CopiedTable> {
  const [{ rows, text }, other] = [await source, await target];
  if (rows !== other.rows || text !== other.text)
    throw new OperatorError(
      `the table ${table.name} has ${rows} rows and its copy ${other.rows}, or they differ: the copy was not kept`,
    );
  return { table: table.name, rows, sha256: text };
}

const list = (names: readonly string[]): string => names.map((name) => `"${name}"`).join(', ');
const selectText = ({ name, columns, key }: Table): string =>
  `SELECT ${list(columns)} FROM "${name}" ORDER BY ${list(key)}`;

function insertText({ name, columns }: Table, rows: number, place: (number: number) => string): string {
  const row = (at: number) => `(${columns.map((_, column) => place(at * columns.length + column + 1)).join(', ')})`;
  return `INSERT INTO "${name}" (${list(columns)}) VALUES ${Array.from({ length: rows }, (_, at) => row(at)).join(', ')}`;
}

function* rowsOfFile(database: DatabaseSync, table: Table): Generator<Values> {
  for (const row of database.prepare(selectText(table)).iterate())
    yield table.columns.map((column) => row[column] as Values[number]);
}

async function* rowsOfServer(client: pg.Client, table: Table): AsyncGenerator<readonly Values[]> {
  await client.query(`DECLARE copied CURSOR FOR ${selectText(table)}`);
  for (;;) {
    const { rows } = await client.query({ text: `FETCH ${rowsAtOnce} FROM copied`, rowMode: 'array' });
    if (rows.length === 0) break;
    yield rows as Values[];
  }
  await client.query('CLOSE copied');
}

async function insertAll(client: pg.Client, table: Table, rows: Iterable<Values>): Promise<void> {
  let waiting: Values[] = [];
  const flush = async (): Promise<void> => {
    if (waiting.length === 0) return;
    await client.query(
      insertText(table, waiting.length, (number) => `$${number}`),
      waiting.flat(),
    );
    waiting = [];
  };
  for (const row of rows) if (waiting.push(row) === rowsAtOnce) await flush();
  await flush();
}

async function ofFile(database: DatabaseSync, table: Table): Promise<Checksum> {
  const sum = new Checksum();
  for (const row of rowsOfFile(database, table)) sum.add(row);
  return sum;
}

async function ofServer(client: pg.Client, table: Table): Promise<Checksum> {
  const sum = new Checksum();
  for await (const rows of rowsOfServer(client, table)) for (const row of rows) sum.add(row);
  return sum;
}
