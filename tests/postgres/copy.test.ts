import assert from 'node:assert/strict';
import { copyFileSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Cleanup, PostgresServer } from '@sallyport/testkit';
import { copyFromPostgres, copyToPostgres } from '../../apps/controller/src/copy/copy.ts';
import { openDatabase } from '../../apps/controller/src/db/open.ts';
import { openPostgres } from '../../apps/controller/src/db/postgres/open.ts';
import { lockDatabase } from '../../apps/controller/src/db/postgres/session.ts';
import { createStore } from '../../apps/controller/src/db/store.ts';
import { verifyAudit } from '../../apps/controller/src/features/audit/verify.ts';
import { createTenant } from '../../apps/controller/src/features/tenants/commands.ts';
import { placesOf } from '../../apps/controller/src/testing/postgres.ts';

const quiet = { lost: () => undefined, check: () => undefined, back: () => undefined, ended: () => undefined };

test('a database is copied to PostgreSQL and back, whole or not at all', async (t) => {
  const cleanup = new Cleanup();
  t.after(() => cleanup.run());
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-copy-'));
  cleanup.add(async () => rmSync(folder, { recursive: true }));
  const server = await PostgresServer.start(cleanup);
  const file = join(folder, 'sallyport.db');
  const made = createStore(openDatabase(file), Date.now);
  const { tenant } = await createTenant(made, { kind: 'operator', id: null, name: 'Zoë \u{1F512}\n"' }, 'First');
  const second = await createTenant(made, { kind: 'operator', id: null, name: 'operator' }, 'Second');
  await assert.rejects(copyToPostgres(folder, placesOf(server.url())), /in use or damaged: stop the controller/);
  await made.close();

  await server.sql('CREATE DATABASE target');
  const target = placesOf(server.url('target'));
  const copied = await copyToPostgres(folder, target);
  const rows = (name: string) => copied.find(({ table }) => table === name)?.rows;
  assert.deepEqual([rows('tenants'), rows('roles')], [2, 12]);
  await assert.rejects(copyToPostgres(folder, target), /is not empty: nothing was copied/);
  const db = await openPostgres(target, quiet);
  await assert.rejects(
    copyFromPostgres(target, join(folder, 'busy')),
    /a controller uses the database .*: stop all controllers first/,
  );
  const store = createStore(db, db.now);
  for (const { id } of [tenant, second.tenant]) assert.equal((await verifyAudit(store, id)).intact, true);
  await store.close();
  const { client } = await lockDatabase(target, null);
  await assert.rejects(openPostgres(target, quiet), /is used by a copy under way/);
  await client.end();

  const back = await copyFromPostgres(target, join(folder, 'back'));
  const sums = (tables: typeof copied) =>
    Object.fromEntries(tables.filter(({ table }) => table !== 'meta').map(({ table, sha256 }) => [table, sha256]));
  assert.deepEqual(sums(back), sums(copied));
  await assert.rejects(copyFromPostgres(target, join(folder, 'back')), /already: nothing was copied/);
  await openDatabase(join(folder, 'back/sallyport.db')).destroy();

  // A row that PostgreSQL cannot hold ends the copy, and nothing of it stays.
  const odd = join(folder, 'odd');
  await copyFromPostgres(target, odd);
  const broken = openDatabase(join(odd, 'sallyport.db'));
  await broken.updateTable('tenants').set({ name: 'a\0b' }).execute();
  await broken.destroy();
  await server.sql('CREATE DATABASE half');
  await assert.rejects(copyToPostgres(odd, placesOf(server.url('half'))), /invalid byte sequence|differ/);
  const tables = "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace";
  assert.equal(await server.sql(tables, 'half'), '0');

  // What a copy that was killed has left is no database, and the next copy removes it.
  rmSync(join(odd, 'sallyport.db'));
  writeFileSync(join(odd, 'sallyport.db.partial'), 'half');
  await copyFromPostgres(target, odd);
  assert.ok(!existsSync(join(odd, 'sallyport.db.partial')));
  copyFileSync(join(odd, 'sallyport.db'), join(folder, 'again.db'));
  await openDatabase(join(folder, 'again.db')).destroy();
});
