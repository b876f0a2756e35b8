import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';

/**
 * Brings a database forward to the newest migration, each in a transaction of its own. Forward only: a database that is
 * newer than this program is refused.
 */
export function migrate(database: DatabaseSync): void {
  database.exec('CREATE TABLE IF NOT EXISTS migrations (name TEXT PRIMARY KEY, applied_at INTEGER NOT NULL) STRICT');
  const applied = database.prepare('SELECT name FROM migrations ORDER BY name').all();
  const done = new Set(applied.map((row) => String(row.name)));
  const known = readdirSync(folder)
    .filter((name) => name.endsWith('.sql'))
    .sort();
  const foreign = [...done].filter((name) => !known.includes(name));
  if (foreign.length > 0) throw new Error(`the database was written by a newer version (${foreign.join(', ')})`);
  for (const name of known) if (!done.has(name)) apply(database, name);
}

// Compiled code runs from dist/, the SQL stays with the sources.
const folder = join(import.meta.dirname.replace(/([\\/])dist([\\/]db)$/, '$1src$2'), 'migrations', 'sqlite');

function apply(database: DatabaseSync, name: string): void {
  database.exec('BEGIN IMMEDIATE');
  try {
    database.exec(readFileSync(join(folder, name), 'utf8'));
    database.prepare('INSERT INTO migrations (name, applied_at) VALUES (?, unixepoch() * 1000)').run(name);
    database.exec('COMMIT');
  } catch (error) {
    database.exec('ROLLBACK');
    throw new Error(`migration ${name} failed`, { cause: error });
  }
}
