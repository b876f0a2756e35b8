import type { DatabaseSync } from 'node:sqlite';
import { OperatorError } from '../errors.ts';
import {
  isForeign,
  type Migrations,
  migrationText,
  newerSchema,
  notesAfter,
  ownMigrations,
  pendingMigrations,
  type SchemaState,
  schemaNotes,
  schemaState,
} from './schema-versions.ts';

/**
 * Migrates an embedded database to the newest schema, all migrations in one transaction. A process that dies in between
 * leaves the old schema. Notes the version that did it, and the oldest version that can use the new schema: a migration
 * names it in a line `-- Oldest program: 0.3.0`, and without that line only the version that migrates can. Throws
 * OperatorError when the database is of another program or of a newer version.
 */
export function migrate(database: DatabaseSync, migrations: Migrations = ownMigrations): void {
  refuseUnusable(database, migrations);
  const state = schemaOf(database);
  const pending = pendingMigrations(state, migrations);
  if (pending.length === 0) return;
  inTransaction(database, () => {
    for (const name of pending) apply(database, name, migrations);
    for (const [key, value] of notesAfter(state, pending, migrations)) note(database, key, value);
  });
}

/** Throws OperatorError when the database is of another program, or of a newer version that this one cannot live with. */
export function refuseUnusable(database: DatabaseSync, migrations: Migrations = ownMigrations): void {
  const state = schemaOf(database);
  if (isForeign(state))
    throw new OperatorError(
      `${database.location() ?? 'the database'} is a database of another program: name another SALLYPORT_DATA_DIR`,
    );
  const newer = newerSchema(state, migrations);
  if (newer === null) return;
  throw new OperatorError(
    `the database was written by a newer version of Sallyport (${newer.named}): start ${newer.start}, or bring back a backup that this version (${migrations.version}) made, with "sally operator restore FILE --replace". The upgrade left one in before-upgrade in the data directory (docs/backup.md)`,
  );
}

/** Returns what an embedded database tells of its schema. */
export function schemaOf(database: DatabaseSync): SchemaState {
  const tables = new Set(
    texts(database, "SELECT name AS text FROM sqlite_schema WHERE type = 'table'").filter(
      (name) => !name.startsWith('sqlite_'),
    ),
  );
  const applied = tables.has('migrations') ? texts(database, 'SELECT name AS text FROM migrations ORDER BY name') : [];
  const notes = new Map<string, string>();
  if (tables.has('meta'))
    for (const key of Object.values(schemaNotes)) {
      const row = database.prepare('SELECT value FROM meta WHERE key = ?').get(key);
      if (row !== undefined) notes.set(key, String(row.value));
    }
  return schemaState(tables, applied, notes);
}

const texts = (database: DatabaseSync, sql: string): string[] =>
  database
    .prepare(sql)
    .all()
    .map(({ text }) => String(text));

function inTransaction(database: DatabaseSync, work: () => void): void {
  database.exec('BEGIN IMMEDIATE');
  try {
    database.exec('CREATE TABLE IF NOT EXISTS migrations (name TEXT PRIMARY KEY, applied_at INTEGER NOT NULL) STRICT');
    work();
    database.exec('COMMIT');
  } catch (error) {
    // A full disk has ended the transaction already.
    if (database.isTransaction) database.exec('ROLLBACK');
    throw error;
  }
}

function apply(database: DatabaseSync, name: string, migrations: Migrations): void {
  try {
    database.exec(migrationText(name, migrations));
    database.prepare('INSERT INTO migrations (name, applied_at) VALUES (?, unixepoch() * 1000)').run(name);
  } catch (error) {
    throw new Error(`migration ${name} failed`, { cause: error });
  }
}

function note(database: DatabaseSync, key: string, value: string): void {
  database.prepare('INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)').run(key, value);
}
