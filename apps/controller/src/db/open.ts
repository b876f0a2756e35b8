import { chmodSync, closeSync, existsSync, mkdirSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { Kysely } from 'kysely';
import { OperatorError } from '../errors.ts';
import { attempt } from '../system-error.ts';
import { type CopyOptions, copyDatabase } from './copy.ts';
import { sqliteDialect } from './dialect.ts';
import { migrate, refuseUnusable, schemaOf } from './migrate.ts';
import type { Database } from './schema.ts';
import { type Migrations, ownMigrations, pendingMigrations } from './schema-versions.ts';

/** The database in one file. It can be copied while it is used. */
export class EmbeddedDatabase extends Kysely<Database> {
  readonly #database: DatabaseSync;

  constructor(database: DatabaseSync) {
    super({ dialect: sqliteDialect(database) });
    this.#database = database;
  }

  /** Returns the bytes of the whole database. */
  size(): number {
    const pragma = (name: string) => Number(Object.values(this.#database.prepare(`PRAGMA ${name}`).get() ?? {})[0]);
    return pragma('page_count') * pragma('page_size');
  }

  /** Whether a controller has ever started with this database. */
  hasIdentity(): boolean {
    const meta = this.#database.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'meta'").get();
    return (
      meta !== undefined && this.#database.prepare("SELECT 1 FROM meta WHERE key = 'identity'").get() !== undefined
    );
  }

  /** Version of the program that wrote the schema when this one will migrate it; null when it has nothing to migrate. */
  olderWriter(migrations: Migrations = ownMigrations): string | null {
    const state = schemaOf(this.#database);
    return pendingMigrations(state, migrations).length === 0 ? null : (state.writer ?? 'older');
  }

  /** Migrates to the newest schema. Throws OperatorError. */
  migrate(migrations: Migrations = ownMigrations): void {
    explained(this.#database.location() ?? '', () => migrate(this.#database, migrations));
  }

  /** Writes a new file that holds everything committed before the copy ended. Rejects when `signal` aborts. */
  copyTo(file: string, options: CopyOptions): Promise<void> {
    return copyDatabase(this.#database, file, options);
  }

  /** Closes a database that nothing has used yet; otherwise call `destroy`. */
  closeNow(): void {
    this.#database.close();
  }
}

/** Opens the embedded database as `openUnmigrated` does, and migrates it to the present schema. */
export function openDatabase(file: string): EmbeddedDatabase {
  const database = openUnmigrated(file);
  try {
    database.migrate();
    return database;
  } catch (error) {
    database.closeNow();
    throw error;
  }
}

/**
 * Opens the embedded database exclusively: no other process can open the file until it is closed. Commits are on disk
 * when they return. The schema may be older than this program. Throws OperatorError when the file cannot be used.
 */
export function openUnmigrated(file: string, migrations: Migrations = ownMigrations): EmbeddedDatabase {
  attempt(`the database ${file} cannot be opened`, () => {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    // Does not open an existing file here: closing any descriptor of a file releases all locks of this process on it.
    if (!existsSync(file)) closeSync(openSync(file, 'wx', 0o600));
    chmodSync(file, 0o600);
  });
  const database = explained(file, () => new DatabaseSync(file));
  try {
    explained(file, () => configure(database, migrations));
    return new EmbeddedDatabase(database);
  } catch (error) {
    database.close();
    throw error;
  }
}

function configure(database: DatabaseSync, migrations: Migrations): void {
  // Exclusive before WAL: then the index of the log is in this process's memory, without a shared file.
  database.exec('PRAGMA locking_mode = EXCLUSIVE');
  database.exec('PRAGMA journal_mode = WAL');
  database.exec('PRAGMA synchronous = FULL');
  database.exec('PRAGMA foreign_keys = ON');
  // Pages in the log before they move into the file. A page that changes again meanwhile moves once.
  database.exec('PRAGMA wal_autocheckpoint = 4000');
  refuseUnusable(database, migrations);
}

function explained<T>(file: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw openFailure(error, file);
  }
}

/** Returns the cause of a failure of SQLite in words. */
function openFailure(error: unknown, file: string): unknown {
  const said = error instanceof Error && error.cause !== undefined ? error.cause : error;
  if (!(said instanceof Error) || !('errcode' in said)) return error;
  const sentence = sentences.get(Number(said.errcode) & 0xff);
  return sentence === undefined ? error : new OperatorError(sentence(file));
}

/** By primary result code (https://www.sqlite.org/rescode.html). */
const sentences: ReadonlyMap<number, (file: string) => string> = new Map([
  [5, (file) => `another controller uses this data directory: ${dirname(file)}`],
  [8, (file) => `the database ${file} cannot be written: the file or its file system is read-only`],
  [10, (file) => `the database ${file} cannot be read or written: the disk failed or is full`],
  [11, (file) => damaged(file)],
  [13, (file) => `the database ${file} cannot be written: the disk is full; make room first`],
  [14, (file) => `the database ${file} cannot be opened: is it a file, and does it belong to this user?`],
  [26, (file) => damaged(file)],
]);

const damaged = (file: string): string =>
  `the database ${file} is damaged, or is not a database: bring it back from a backup (sally operator restore FILE --replace)`;
