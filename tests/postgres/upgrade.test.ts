import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, type TestContext, test } from 'node:test';
import { Cleanup, PostgresServer, until } from '@sallyport/testkit';
import { openPostgres } from '../../apps/controller/src/db/postgres/open.ts';
import type { PostgresPlace } from '../../apps/controller/src/db/postgres/place.ts';
import { type Migrations, postgresMigrations } from '../../apps/controller/src/db/schema-versions.ts';
import { createStore } from '../../apps/controller/src/db/store.ts';
import { createTenant } from '../../apps/controller/src/features/tenants/commands.ts';
import { newIdentity } from '../../apps/controller/src/replicas/shared.ts';
import { clonePostgres } from '../../apps/controller/src/testing/postgres.ts';
import { joinReplica } from '../../apps/controller/src/testing/shared-replicas.ts';

const cleanup = new Cleanup();
let server: PostgresServer;
before(async () => {
  server = await PostgresServer.start(cleanup);
});
after(() => cleanup.run());
const folder = mkdtempSync(join(tmpdir(), 'sallyport-upgrade-'));
cleanup.add(async () => rmSync(folder, { recursive: true }));

const actor = { kind: 'system', id: null, name: 'test' } as const;
const quiet = { lost: () => undefined, check: () => undefined, back: () => undefined, ended: () => undefined };
const [old, newer] = ['1.0.0', '1.1.0'];

async function freshPlace(): Promise<PostgresPlace> {
  const { db, place } = await clonePostgres(server.url());
  await db.destroy();
  return place;
}

/** Joins as one more replica, which ends with the test, also with one that fails. */
async function joinFor(t: TestContext, place: PostgresPlace, migrations: Migrations) {
  const replica = await joinReplica(place, migrations);
  t.after(() => replica.kill());
  return replica;
}

/** The migrations of a later version: those of today and one more. */
function migrationsWith(version: string, sql: string): Migrations {
  const copy = mkdtempSync(join(folder, 'migrations-'));
  cpSync(postgresMigrations.folder, copy, { recursive: true });
  writeFileSync(join(copy, '9000-later.sql'), sql);
  return { folder: copy, version };
}

const compatible = () =>
  migrationsWith(newer, `-- Oldest program: ${old}\nALTER TABLE tenants ADD COLUMN later TEXT;\n`);
const incompatible = () => migrationsWith(newer, 'ALTER TABLE tenants ADD COLUMN later TEXT;\n');

const open = (place: PostgresPlace, migrations: Migrations) =>
  openPostgres([place], quiet, { migrations, sharing: newIdentity(migrations.version).sharing });

test('a migration that older controllers can live with runs beside them, and they go on writing', async (t) => {
  const place = await freshPlace();
  const before = { ...postgresMigrations, version: old };
  const replica = await joinFor(t, place, before);
  const list = () => replica.store.db.selectFrom('tenants').selectAll().where('name', '<>', '').execute();
  const readAtOnce = () =>
    replica.store.read((db) => db.selectFrom('tenants').selectAll().where('id', '<>', '').execute());
  // Statements that come often are prepared, with the columns of their time.
  for (let n = 0; n < 8; n++)
    await Promise.all([list(), list(), readAtOnce(), createTenant(replica.store, actor, `${n}`)]);
  const migrated = await open(place, compatible());
  await migrated.started();
  const results = await Promise.allSettled(
    Array.from({ length: 8 }, (_, n) => [
      list(),
      readAtOnce(),
      createTenant(replica.store, actor, `later ${n}`),
    ]).flat(),
  );
  assert.deepEqual(
    results.filter(({ status }) => status === 'rejected'),
    [],
  );
  assert.equal((await list()).length, 16);
  assert.deepEqual(replica.troubles, []);
  const again = await joinReplica(place, before);
  await createTenant(again.store, actor, 'after a restart of the old version');
  await again.stop();
  await replica.stop();
  await migrated.destroy();
});

test('a migration that older controllers cannot live with is refused while one of them runs, and changes nothing', async (t) => {
  const place = await freshPlace();
  const replica = await joinFor(t, place, { ...postgresMigrations, version: old });
  const { name, id } = replica.replicas.self;
  await assert.rejects(open(place, incompatible()), {
    name: 'OperatorError',
    message: `version ${newer} changes the database so that controllers before ${newer} cannot go on with it, and they use it: ${name} (version ${old}, ${id}). Nothing was changed. Stop them first, then start this one`,
  });
  await createTenant(replica.store, actor, 'the old one goes on');
  const columns =
    "SELECT count(*) FROM information_schema.columns WHERE table_name = 'tenants' AND column_name = 'later'";
  assert.equal(await server.sql(columns, place.database), '0');
  // Killed a moment ago: its lease has not ended yet.
  await replica.kill();
  const migrated = await open(place, incompatible());
  assert.equal(await server.sql(columns, place.database), '1');
  await migrated.destroy();
  await assert.rejects(joinReplica(place, { ...postgresMigrations, version: old }), /written by a newer version/);
});

test('a controller that was cut off while a newer version changed the database ends when it is back', async () => {
  const place = await freshPlace();
  const ended: unknown[] = [];
  const lost: unknown[] = [];
  const events = {
    ...quiet,
    lost: (error: unknown) => void lost.push(error),
    ended: (error: unknown) => void ended.push(error),
  };
  const migrations = { ...postgresMigrations, version: old };
  const database = await openPostgres([place], events, { migrations, sharing: newIdentity(old).sharing });
  await database.started();
  const store = createStore(database, database.now);
  // As if it had been out of reach for long: it has no row, and its session ends after the change.
  const migrated = await open(place, incompatible());
  await migrated.destroy();
  await server.sql(
    "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted",
    place.database,
  );
  await until('the old one ends', () => ended.length === 1);
  assert.match(
    String(ended[0]),
    /written by a newer version of Sallyport \(1\.1\.0, 9000-later\.sql\): start version 1\.1\.0/,
  );
  assert.equal(lost.length, 1);
  await assert.rejects(createTenant(store, actor, 'refused'), { code: 'unavailable' });
  await store.close();
});
