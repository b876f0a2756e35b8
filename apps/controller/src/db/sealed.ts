import { type Kysely, type SelectQueryBuilder, sql, type UpdateQueryBuilder, type UpdateResult } from 'kysely';
import { breathe } from '../slices.ts';
import type { Database } from './schema.ts';
import { inTransaction } from './transactions.ts';

/** A column whose values were sealed with the master key. */
export interface SealedColumn {
  readonly table: keyof Database;
  readonly column: string;
  /** Primary key of the table. */
  readonly key: readonly string[];
  /** What binds a value to its row. Null: the row has no sealed value. */
  readonly purpose: (row: StoredRow) => string | null;
  /** Name of the sealed value where the column holds a JSON object. */
  readonly within?: string;
  /** Column that `purpose` also reads. */
  readonly reads?: string;
}

/** The columns of a row that belong to a sealed value. */
export type StoredRow = Readonly<Record<string, string>>;

/** Looks at a sealed value, perhaps twice. Returns what takes its place; null: it stays. */
export type Look = (sealed: string, purpose: string) => string | null;

/** Rows that one transaction looks at. */
const sliceRows = 200;

/**
 * Shows every sealed value of a column to `look`, in transactions of a slice of rows each, and writes what it returns. A
 * value that changed meanwhile stays.
 */
export async function eachSealed(db: Kysely<Database>, place: SealedColumn, look: Look): Promise<void> {
  let after: StoredRow | undefined;
  do {
    const from = after;
    // It takes no head: a value is replaced only while it is the one that was looked at.
    after = await inTransaction(db, (tx) => oneSlice(tx, place, from, look));
    await breathe();
  } while (after !== undefined);
}

/** Returns the last row of a full slice; undefined at the end of the table. */
async function oneSlice(
  tx: Kysely<Database>,
  place: SealedColumn,
  after: StoredRow | undefined,
  look: Look,
): Promise<StoredRow | undefined> {
  const rows = await slice(tx, place, after);
  for (const row of rows) {
    const value = replacement(place, row, look);
    if (value !== null) await write(tx, place, row, value);
  }
  return rows.length < sliceRows ? undefined : rows.at(-1);
}

async function slice(tx: Kysely<Database>, place: SealedColumn, after: StoredRow | undefined): Promise<StoredRow[]> {
  const { table, column, key, reads } = place;
  const columns = [...new Set([...key, column, ...(reads === undefined ? [] : [reads])])];
  // Kysely derives types from the literal names of tables and columns. Here they are variables, so the type is given.
  let query = tx.selectFrom(table).select(columns as never) as unknown as SelectQueryBuilder<
    Database,
    never,
    StoredRow
  >;
  for (const name of key) query = query.orderBy(sql.ref(name));
  query = query.where(sql.ref(column), 'is not', null).limit(sliceRows);
  if (after !== undefined)
    query = query.where(
      sql<boolean>`(${sql.join(key.map((name) => sql.ref(name)))}) > (${sql.join(key.map((name) => after[name]))})`,
    );
  return query.execute();
}

function replacement(place: SealedColumn, row: StoredRow, look: Look): string | null {
  const purpose = place.purpose(row);
  const held = row[place.column];
  if (purpose === null || held === undefined) return null;
  if (place.within === undefined) return look(held, purpose);
  const outer = JSON.parse(held) as Record<string, unknown>;
  const sealed = outer[place.within];
  const made = typeof sealed === 'string' ? look(sealed, purpose) : null;
  return made === null ? null : JSON.stringify({ ...outer, [place.within]: made });
}

async function write(tx: Kysely<Database>, place: SealedColumn, row: StoredRow, value: string): Promise<void> {
  let query = tx.updateTable(place.table).set({ [place.column]: value } as never) as unknown as UpdateQueryBuilder<
    Database,
    never,
    never,
    UpdateResult
  >;
  for (const name of [...place.key, place.column]) query = query.where(sql.ref(name), '=', row[name]);
  await query.execute();
}
