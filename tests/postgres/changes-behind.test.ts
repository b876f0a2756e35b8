import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Cleanup, PostgresServer, until } from '@sallyport/testkit';
import { clockTrouble } from '../../apps/controller/src/db/postgres/open.ts';
import { unscoped } from '../../apps/controller/src/db/scoped.ts';
import { eachSealed } from '../../apps/controller/src/db/sealed.ts';
import { ControllerProcess } from '../../apps/controller/src/testing/controller-process.ts';
import { asAdmin, clonePostgres } from '../../apps/controller/src/testing/postgres.ts';

const cleanup = new Cleanup();
let server: PostgresServer;

before(async () => {
  server = await PostgresServer.start(cleanup);
});
after(() => cleanup.run());

test('a controller whose clock differs by more than half a second cannot serve, and keeps the time of the database', async (t) => {
  assert.deepEqual([0, 500, -500].map(clockTrouble), [null, null, null]);
  for (const skew of [501, -501]) assert.match(String(clockTrouble(skew)), /differs by 501 ms/);
  const right = Date.now.bind(Date);
  for (const aheadMs of [-5_000, 5_000]) {
    t.mock.method(Date, 'now', () => right() + aheadMs);
    // A measurement that took too long under load does not count.
    await until('the clock is measured', async () => {
      const { db, remove } = await clonePostgres(server.url());
      const [trouble, differsBy] = [db.trouble(), db.now() - right()];
      await db.destroy();
      await remove();
      if (trouble === null) return false;
      assert.match(trouble, /^The clock of this machine differs by \d+ ms from the one of the database$/);
      assert.ok(Math.abs(differsBy) < 1_000, `the store is ${differsBy} ms ahead of the database`);
      return true;
    });
    t.mock.restoreAll();
  }
});

test('a controller ends when its database has gone back to an older revision', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-older-'));
  cleanup.add(async () => rmSync(folder, { recursive: true }));
  const key = 'k'.repeat(40);
  writeFileSync(join(folder, 'master.key'), 'ab'.repeat(32));
  await server.sql('CREATE DATABASE older');
  const env = {
    SALLYPORT_DATABASE_URL: server.url('older'),
    SALLYPORT_MASTER_KEY_FILE: join(folder, 'master.key'),
    SALLYPORT_BOOTSTRAP_API_KEY: key,
  };
  const end = (work: () => Promise<unknown>) => cleanup.add(async () => void (await work()));
  const controller = await ControllerProcess.start({ after: end } as never, join(folder, 'data'), [], env);
  const headers = { apikey: key, 'content-type': 'application/json' };
  const body = JSON.stringify({ name: 'one', wireguardPort: '51820' });
  const answer = await fetch(`${controller.url}/tenants/gateways`, { method: 'POST', headers, body });
  assert.equal(answer.status, 201);
  await server.kill('SIGKILL');
  await server.run();
  // While the controller waits for the server, its state is replaced by an older one.
  await server.sql('UPDATE tenants SET revision = revision - 1', 'older');
  // A controller that was quicker loses its sessions again, once: each new session would find the older state.
  await server.sql(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'sallyport'`);
  await until('the controller ends', () => controller.exitCode !== null);
  assert.notEqual(controller.exitCode, 0);
  assert.match(controller.stderr, /the database has gone back: tenant \S+ is at revision \d+, and was at \d+/);
});

test('a sealed value that changes while secrets are sealed again stays as it was changed', async () => {
  const { db, place, remove } = await clonePostgres(server.url());
  const meta = unscoped(db, 'a value of a test');
  const rows = ['a', 'b'].map((key) => ({ key: `sealed ${key}`, value: 'old' }));
  await meta.insertInto('meta').values(rows).execute();
  const column = {
    table: 'meta',
    column: 'value',
    key: ['key'],
    purpose: ({ key = '' }) => (key.startsWith('sealed ') ? key : null),
  } as const;
  await asAdmin(place, async (client) => {
    await client.query('BEGIN');
    await client.query("UPDATE meta SET value = 'changed' WHERE key = 'sealed a'");
    const sealing = eachSealed(db, column, (sealed) => (sealed === 'old' ? 'new' : null));
    const waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
    await until('the value is looked at before the change', async () => (await server.sql(waits)) !== '0');
    await client.query('COMMIT');
    await sealing;
  });
  const found = await meta.selectFrom('meta').selectAll().where('key', 'like', 'sealed %').orderBy('key').execute();
  assert.deepEqual(
    found.map(({ value }) => value),
    ['changed', 'new'],
  );
  await db.destroy();
  await remove();
});
