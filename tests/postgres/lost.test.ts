import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Cleanup, PostgresServer, until } from '@sallyport/testkit';
import { openPostgres } from '../../apps/controller/src/db/postgres/open.ts';
import { createStore } from '../../apps/controller/src/db/store.ts';
import { createTenant } from '../../apps/controller/src/features/tenants/commands.ts';
import { ControllerProcess } from '../../apps/controller/src/testing/controller-process.ts';
import { clonePostgres } from '../../apps/controller/src/testing/postgres.ts';
import { Cutter } from './cutter.ts';
import { actor, made, make, revisions, Told, Writing } from './fixtures.ts';

const cleanup = new Cleanup();
let server: PostgresServer;
const folder = mkdtempSync(join(tmpdir(), 'sallyport-lost-'));
cleanup.add(async () => rmSync(folder, { recursive: true }));

before(async () => {
  server = await PostgresServer.start(cleanup);
});
after(() => cleanup.run());

async function open(told = new Told()) {
  const { db, place } = await clonePostgres(server.url(), told);
  const store = createStore(db, db.now);
  const { tenant } = await createTenant(store, actor, 'First');
  return { store, place, tenant: tenant.id, told };
}

test('a server that dies in the middle of writes loses none that was acknowledged', async () => {
  const { store, tenant, told } = await open();
  const writing = new Writing(store, tenant);
  for (let death = 1; death <= 2; death++) {
    await writing.more();
    await server.kill('SIGKILL');
    await until('the loss is noticed', () => told.losses.length >= death);
    assert.match(String(store.trouble()), /does not answer/);
    await assert.rejects(make(store, tenant, 'refused'), { code: 'unavailable' });
    await server.run();
    await until('the database is back', () => told.returns >= death);
  }
  await writing.end();
  assert.deepEqual(told.ends, []);
  await store.close();
});

test('a commit without an answer counts once, whether it has happened or not', async () => {
  const { store: first, place, tenant } = await open();
  await first.close();
  for (const cut of ['before the commit', 'after the commit'] as const) {
    const proxy = await Cutter.start(join(server.folder, `.s.PGSQL.${server.port}`));
    const db = await openPostgres([{ ...place, host: '127.0.0.1', port: proxy.port }], new Told());
    const store = createStore(db, db.now);
    const notices: number[] = [];
    store.onCommit(({ revision }) => notices.push(revision));
    proxy.cut = cut;
    const revision = await make(store, tenant, `made ${cut}`);
    assert.equal(proxy.cut, null, 'the connection was cut');
    const names = await made(store, tenant);
    assert.equal(names.filter((name) => name === `made ${cut}`).length, 1, cut);
    assert.deepEqual(notices, [revision]);
    assert.equal((await revisions(store, tenant)).at(-1), revision);
    await store.close();
    proxy.stop();
  }
});

test('a controller whose session was ended by the server gets another one', async () => {
  const { store, place, tenant, told } = await open();
  const end = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND classid = 23057";
  await server.sql(end, place.database);
  await until('the lock is back', () => told.returns === 1);
  await make(store, tenant, 'made after');
  assert.deepEqual(told.ends, []);
  await store.close();
});

test('the API answers 503 while the database is gone, and goes on in the same process', async () => {
  await server.sql('CREATE DATABASE api');
  const keyFile = join(folder, 'master.key');
  writeFileSync(keyFile, 'ab'.repeat(32));
  const env = {
    SALLYPORT_DATABASE_URL: server.url('api'),
    SALLYPORT_MASTER_KEY_FILE: keyFile,
    SALLYPORT_BOOTSTRAP_API_KEY: 'k'.repeat(40),
  };
  const after = (work: () => Promise<unknown>) => cleanup.add(async () => void (await work()));
  const controller = await ControllerProcess.start({ after } as never, join(folder, 'data'), [], env);
  const ask = async (path: string, body?: object) => {
    const headers = { apikey: 'k'.repeat(40), 'content-type': 'application/json' };
    const post = body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) };
    const answer = await fetch(`${controller.url}${path}`, { headers, ...post });
    return { status: answer.status, json: await answer.json() };
  };
  const gateway = { name: 'one', wireguardPort: '51820' };
  assert.equal((await ask('/tenants/gateways', gateway)).status, 201);
  assert.equal((await ask('/readyz')).status, 200);
  await server.kill('SIGKILL');
  await until('/readyz says so', async () => (await ask('/readyz')).status === 503);
  for (const answer of [await ask('/tenants/gateways', gateway), await ask('/tenants/devices')]) {
    assert.equal(answer.status, 503);
    assert.equal(answer.json.code, 'unavailable');
    assert.match(answer.json.detail, /The database does not answer/);
  }
  await server.run();
  await until('/readyz says so', async () => (await ask('/readyz')).status === 200);
  assert.equal((await ask('/tenants/gateways', { ...gateway, name: 'two' })).status, 201);
  const names = (await ask('/tenants/gateways')).json.map(({ name }: { name: string }) => name);
  assert.deepEqual(names, ['one', 'two']);
  assert.match(controller.stderr, /the database answers again/);
  assert.doesNotMatch(controller.stderr, /postgres:\/\//);
  assert.equal(await controller.kill('SIGTERM'), 0);
});
