import { createHash } from 'node:crypto';
import type { DatabaseSync } from 'node:sqlite';

/** Values of a row, in the order of the table's columns. */
export type Values = readonly (string | number | null)[];

/** A table with its columns, and the columns that order its rows. */
export interface Table {
  readonly name: string;
  readonly columns: readonly string[];
  readonly key: readonly string[];
}

/** What belongs to one kind of database, or to the process that has it. */
const notCopied = new Set(['migrations', 'commit_marks', 'replicas', 'facts', 'agent_holders']);

/** Returns the tables to copy. Those of PostgreSQL are the same: a test compares them. */
export function tablesOf(database: DatabaseSync): Table[] {
  const names = database
    .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'")
    .all();
  return names
    .map(({ name }) => String(name))
    .filter((name) => !notCopied.has(name))
    .map((name) => {
      const columns = database.prepare(`PRAGMA table_info("${name}")`).all();
      const key = columns.filter(({ pk }) => pk !== 0).sort((a, b) => Number(a.pk) - Number(b.pk));
      const texts = (rows: typeof columns) => rows.map((row) => String(row.name));
      return { name, columns: texts(columns), key: texts(key) };
    });
}

/** Returns the tables in an order in which each stands behind those that it refers to. */
export function parentsFirst(database: DatabaseSync, tables: readonly Table[]): Table[] {
  const parents = new Map(
    tables.map(({ name }) => [
      name,
      database
        .prepare(`PRAGMA foreign_key_list("${name}")`)
        .all()
        .map(({ table }) => String(table)),
    ]),
  );
  const ordered: Table[] = [];
  const waiting = new Set(tables);
  while (waiting.size > 0) {
    const names = new Set([...waiting].map(({ name }) => name));
    const ready = [...waiting].filter(
      ({ name }) => !parents.get(name)?.some((parent) => parent !== name && names.has(parent)),
    );
    if (ready.length === 0) throw new Error('tables refer to each other in a circle');
    for (const table of ready) waiting.delete(table);
    ordered.push(...ready);
  }
  return ordered;
}

/** Number and SHA-256 of rows. */
export class Checksum {
  readonly #hash = createHash('sha256');
  #text: string | null = null;
  rows = 0;

  add(row: Values): void {
    this.rows++;
    this.#hash.update(`${JSON.stringify(row)}\n`);
  }

  /** The checksum, hexadecimal. No rows can be added afterwards. */
  get text(): string {
    this.#text ??= this.#hash.digest('hex');
    return this.#text;
  }
}
