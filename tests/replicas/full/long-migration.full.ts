// A migration that takes longer than a server may be silent. Run by npm run test:replicas.
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Cleanup, PostgresServer } from '@sallyport/testkit';
import { openPostgres } from '../../../apps/controller/src/db/postgres/open.ts';
import { testFolder } from '../../../apps/controller/src/testing/controller-process.ts';
import { placeOf } from '../../../apps/controller/src/testing/postgres.ts';
import { Told } from '../../postgres/fixtures.ts';

test('a migration of a large table may take longer than other statements', async (t) => {
  const cleanup = new Cleanup();
  t.after(() => cleanup.run());
  const server = await PostgresServer.start(cleanup);
  const folder = join(testFolder(t), 'migrations');
  mkdirSync(folder);
  const tables = 'CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL); CREATE TABLE tenants (id TEXT)';
  writeFileSync(join(folder, '0001-slow.sql'), `${tables}; SELECT pg_sleep(15)`);
  const migrations = { folder, version: '1.0.0' };
  // What comes after the migrations does not work with so few tables, which is of no matter here.
  await openPostgres([placeOf(server.url())], new Told(), { migrations }).then(
    (db) => db.destroy(),
    (error: Error) => assert.doesNotMatch(error.message, /timeout|answers/),
  );
  assert.equal(await server.sql('SELECT name FROM migrations'), '0001-slow.sql');
});
