import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { assetFolder, version } from '@sallyport/program/place';
import { compareVersions, isVersion } from '@sallyport/release';

/** The migrations that a program has for one kind of database, and its version. */
export interface Migrations {
  /** Folder of the SQL files. */
  readonly folder: string;
  /** Version of the program. */
  readonly version: string;
}

/** The migrations of this program for the embedded database. */
export const ownMigrations: Migrations = { folder: join(assetFolder('migrations'), 'sqlite'), version };

/** The migrations of this program for PostgreSQL. */
export const postgresMigrations: Migrations = { folder: join(assetFolder('migrations'), 'postgres'), version };

/** What a database tells of its schema. */
export interface SchemaState {
  readonly tables: ReadonlySet<string>;
  /** Names of the migrations that it has. */
  readonly applied: ReadonlySet<string>;
  /** Version that wrote the schema. Null: older than these notes. */
  readonly writer: string | null;
  /** Oldest version that can use the schema. Null: older than these notes. */
  readonly oldest: string | null;
}

/** Keys in the table `meta` of what `SchemaState` tells. */
export const schemaNotes = { writer: 'schema_written_by', oldest: 'schema_oldest_program' } as const;

/** Returns the state of a schema. `note` reads a value of `meta`. */
export function schemaState(
  tables: ReadonlySet<string>,
  applied: readonly string[],
  note: ReadonlyMap<string, string>,
): SchemaState {
  const read = (key: string): string | null => {
    const text = note.get(key);
    return text === undefined || !isVersion(text) ? null : text;
  };
  return { tables, applied: new Set(applied), writer: read(schemaNotes.writer), oldest: read(schemaNotes.oldest) };
}

/** Whether tables of another program are in the database. */
export const isForeign = ({ tables }: SchemaState): boolean => tables.size > 0 && !tables.has('migrations');

/** Returns migrations of a newer version that the database already has, unless they allow a program of this version. */
export function unusableMigrations({ applied, writer, oldest }: SchemaState, migrations: Migrations): string[] {
  const known = new Set(knownMigrations(migrations));
  const unknown = [...applied].filter((name) => !known.has(name));
  if (writer === null || oldest === null) return unknown;
  // Notes of the same version do not cover migrations that this program does not have.
  const covered = compareVersions(writer, migrations.version) > 0 && compareVersions(migrations.version, oldest) >= 0;
  return covered ? [] : unknown;
}

/** Returns why the schema is too new for a program; null when it is not. */
export function newerSchema(state: SchemaState, migrations: Migrations): { named: string; start: string } | null {
  const unusable = unusableMigrations(state, migrations);
  if (unusable.length === 0) return null;
  const { writer, oldest } = state;
  const isNewer = writer !== null && compareVersions(writer, migrations.version) > 0;
  return {
    named: [...(isNewer ? [writer] : []), ...unusable].join(', '),
    start: isNewer && oldest !== null ? `version ${oldest} or newer` : 'that version',
  };
}

/** Returns the names of migrations that the database does not have yet, in their order. */
export const pendingMigrations = ({ applied }: SchemaState, migrations: Migrations): string[] =>
  knownMigrations(migrations).filter((name) => !applied.has(name));

/** Returns the notes to be written once these migrations are applied. */
export function notesAfter(state: SchemaState, applied: readonly string[], migrations: Migrations): [string, string][] {
  const named = applied.map((name) => oldestOf(name, migrations));
  const oldest = [...(state.oldest === null ? [] : [state.oldest]), ...named].reduce((a, b) =>
    compareVersions(a, b) < 0 ? b : a,
  );
  return [
    [schemaNotes.writer, migrations.version],
    [schemaNotes.oldest, oldest],
  ];
}

/** Returns the SQL of a migration. */
export const migrationText = (name: string, { folder }: Migrations): string => readFileSync(join(folder, name), 'utf8');

function oldestOf(name: string, migrations: Migrations): string {
  const line = /^-- Oldest program: *(.*?) *$/m.exec(migrationText(name, migrations));
  if (line === null) return migrations.version;
  const [, named = ''] = line;
  if (!isVersion(named)) throw new Error(`migration ${name} names no version as its oldest program: ${named}`);
  return named;
}

function knownMigrations({ folder }: Migrations): string[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.sql'))
    .sort();
}
