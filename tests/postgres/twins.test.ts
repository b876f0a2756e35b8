import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { Cleanup, PostgresServer } from '@sallyport/testkit';
import { migrate } from '../../apps/controller/src/db/migrate.ts';
import { asAdmin, clonePostgres } from '../../apps/controller/src/testing/postgres.ts';

type Client = Parameters<Parameters<typeof asAdmin>[1]>[0];

/** A table: its columns, indexes and references, each as one line. */
type Shape = Record<string, { columns: string[]; indexes: string[]; references: string[] }>;

test('both databases have the same tables, columns, indexes and references', async (t) => {
  const cleanup = new Cleanup();
  t.after(() => cleanup.run());
  const server = await PostgresServer.start(cleanup);
  const { db, place } = await clonePostgres(server.url());
  cleanup.add(() => db.destroy());
  const embedded = new DatabaseSync(':memory:');
  migrate(embedded);
  await asAdmin(place, (client) => compare(client, embedded));
});

async function compare(client: Client, embedded: DatabaseSync): Promise<void> {
  assert.deepEqual(await ofPostgres(client), ofSqlite(embedded));
  assert.deepEqual((await client.query(wrongCollations)).rows, [], 'texts are ordered by code point');
  const meta = "SELECT key, value FROM meta WHERE key = 'overlay'";
  assert.deepEqual(
    (await client.query(meta)).rows,
    embedded
      .prepare(meta)
      .all()
      .map((row) => ({ ...row })),
  );
}

const wrongCollations = `SELECT table_name, column_name FROM information_schema.columns
  WHERE table_schema = current_schema() AND data_type = 'text' AND collation_name IS DISTINCT FROM 'C'`;

function ofSqlite(database: DatabaseSync): Shape {
  const all = (sql: string) => database.prepare(sql).all() as Record<string, string | number | null>[];
  const shape: Shape = {};
  for (const { name } of all("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'")) {
    const columns = all(`PRAGMA table_info(${name})`);
    const key = columns.filter(({ pk }) => pk !== 0).sort((a, b) => Number(a.pk) - Number(b.pk));
    const indexes = all(`PRAGMA index_list(${name})`).filter(({ origin }) => origin !== 'pk');
    shape[String(name)] = {
      columns: columns.map(
        (column) =>
          `${column.name} ${column.type === 'INTEGER' ? 'bigint' : 'text'} ${column.notnull || column.pk ? 'not null' : 'null'} ${column.dflt_value ?? 'none'}`,
      ),
      indexes: [
        `unique ${key.map((column) => column.name)} whole`,
        ...indexes.map((index) => {
          const names = all(`PRAGMA index_info(${index.name})`).map((column) => column.name);
          return `${index.unique ? 'unique' : 'plain'} ${names} ${index.partial ? 'part' : 'whole'}`;
        }),
      ].sort(),
      references: all(`PRAGMA foreign_key_list(${name})`)
        .map((one) => `${one.from} ${one.table} ${one.on_delete}`)
        .sort(),
    };
    shape[String(name)]?.columns.sort();
  }
  return shape;
}

async function ofPostgres(client: Client): Promise<Shape> {
  const shape: Shape = {};
  const { rows: tables } = await client.query(
    "SELECT oid, relname FROM pg_class WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace",
  );
  for (const { oid, relname } of tables) {
    const lines = async (sql: string): Promise<string[]> =>
      (await client.query<{ line: string }>(sql, [oid])).rows.map(({ line }) => line).sort();
    shape[relname] = { columns: await lines(columnLines), indexes: await lines(indexLines), references: [] };
    Object.assign(shape[relname] ?? {}, { references: await lines(referenceLines) });
  }
  return shape;
}

const columnLines = `SELECT format('%s %s %s %s', attname, format_type(atttypid, NULL),
    CASE WHEN attnotnull THEN 'not null' ELSE 'null' END,
    coalesce(regexp_replace(pg_get_expr(adbin, adrelid), '::(text|bigint)$', ''), 'none')) AS line
  FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
  WHERE attrelid = $1 AND attnum > 0 AND NOT attisdropped`;

const indexLines = `SELECT format('%s %s %s', CASE WHEN indisunique THEN 'unique' ELSE 'plain' END,
    (SELECT string_agg(attname, ',' ORDER BY place) FROM unnest(indkey::int[]) WITH ORDINALITY AS keys (number, place)
     JOIN pg_attribute ON attrelid = indrelid AND attnum = number),
    CASE WHEN indpred IS NULL THEN 'whole' ELSE 'part' END) AS line
  FROM pg_index WHERE indrelid = $1`;

const referenceLines = `SELECT format('%s %s %s', (SELECT attname FROM pg_attribute WHERE attrelid = conrelid AND attnum = conkey[1]),
    confrelid::regclass, CASE confdeltype WHEN 'a' THEN 'NO ACTION' WHEN 'c' THEN 'CASCADE' WHEN 'n' THEN 'SET NULL' END) AS line
  FROM pg_constraint WHERE contype = 'f' AND conrelid = $1`;
