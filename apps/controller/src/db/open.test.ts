import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type TestContext, test } from 'node:test';
import { sql } from 'kysely';
import { openDatabase } from './open.ts';

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'sallyport-open-'));
  t.after(() => rmSync(path, { recursive: true }));
  return path;
}

test('a second controller is told that the data directory is in use, in the same and in another process', async (t) => {
  const file = join(folder(t), 'sallyport.db');
  const db = openDatabase(file);
  t.after(() => db.destroy());
  assert.throws(() => openDatabase(file), {
    name: 'OperatorError',
    message: /another controller uses this data directory/,
  });
  const script = `const { openDatabase } = await import(${JSON.stringify(import.meta.resolve('./open.ts'))}); openDatabase(${JSON.stringify(file)});`;
  const { status, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
  assert.notEqual(status, 0);
  assert.match(stderr, /another controller uses this data directory/);
});

test('the file is for its owner only, in WAL mode, with every commit on disk', async (t) => {
  const file = join(folder(t), 'sallyport.db');
  const db = openDatabase(file);
  t.after(() => db.destroy());
  assert.equal(statSync(file).mode & 0o777, 0o600);
  const pragma = async (name: string) =>
    Object.values((await sql.raw<object>(`PRAGMA ${name}`).execute(db)).rows[0] ?? {})[0];
  assert.deepEqual(
    [
      await pragma('journal_mode'),
      await pragma('synchronous'),
      await pragma('locking_mode'),
      await pragma('foreign_keys'),
    ],
    ['wal', 2, 'exclusive', 1],
  );
});

test('opening again keeps the contents; a newer database is refused', async (t) => {
  const file = join(folder(t), 'sallyport.db');
  const first = openDatabase(file);
  await first.insertInto('meta').values({ key: 'a', value: 'b' }).execute();
  await first.destroy();
  const second = openDatabase(file);
  assert.equal((await second.selectFrom('meta').selectAll().where('key', '=', 'a').execute()).length, 1);
  await second.destroy();
  const raw = new DatabaseSync(file);
  raw.exec("INSERT INTO migrations VALUES ('9999-future.sql', 0)");
  raw.close();
  assert.throws(() => openDatabase(file), /newer version/);
});

test('columns refuse values of other types', async (t) => {
  const db = openDatabase(join(folder(t), 'sallyport.db'));
  t.after(() => db.destroy());
  await assert.rejects(
    sql`INSERT INTO tenants (id, created_at, name, overlay_v6) VALUES ('a', 'yesterday', 'x', 'y')`.execute(db),
  );
  await assert.rejects(
    sql`INSERT INTO api_keys (id, tenant_id, created_at, name, role, prefix, hash) VALUES ('a', 'nobody', 1, 'x', 'OWNER', 'p', 'h')`.execute(
      db,
    ),
  );
});

test('answers that were kept when callers of a tenant shared them are deleted', async (t) => {
  const file = join(folder(t), 'sallyport.db');
  const before = databaseBefore(file, '0005');
  before.exec(`
    INSERT INTO tenants (id, created_at, name, overlay_v6) VALUES ('t', 1, 'x', 'fd00::');
    INSERT INTO idempotency_keys VALUES ('t', 'k', 1, 'h', 201, 'an answer with a token');`);
  before.close();
  const db = openDatabase(file);
  t.after(() => db.destroy());
  assert.deepEqual(await db.selectFrom('idempotency_keys').selectAll().execute(), []);
  assert.equal((await db.selectFrom('tenants').select('id').execute()).length, 1);
});

/** A database as it was before a migration. */
function databaseBefore(file: string, migration: string): DatabaseSync {
  const sources = join(import.meta.dirname, 'migrations', 'sqlite');
  const raw = new DatabaseSync(file);
  raw.exec('CREATE TABLE migrations (name TEXT PRIMARY KEY, applied_at INTEGER NOT NULL) STRICT');
  for (const name of readdirSync(sources).sort()) {
    if (name >= migration) break;
    raw.exec(readFileSync(join(sources, name), 'utf8'));
    raw.prepare('INSERT INTO migrations VALUES (?, 1)').run(name);
  }
  return raw;
}
