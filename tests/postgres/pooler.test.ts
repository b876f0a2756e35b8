import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Cleanup, PgBouncer, type PgBouncerOptions, PostgresServer, until, withoutPgBouncer } from '@sallyport/testkit';
import { sql } from 'kysely';
import { openPostgres } from '../../apps/controller/src/db/postgres/open.ts';
import type { PostgresPlace } from '../../apps/controller/src/db/postgres/place.ts';
import { createStore } from '../../apps/controller/src/db/store.ts';
import { OperatorError } from '../../apps/controller/src/errors.ts';
import { createTenant } from '../../apps/controller/src/features/tenants/commands.ts';
import { asAdmin, clonePostgres, placeOf } from '../../apps/controller/src/testing/postgres.ts';
import { Cutter } from './cutter.ts';
import { actor, made, make, revisions, Told, Writing } from './fixtures.ts';

const cleanup = new Cleanup();
let server: PostgresServer;
let pooler: PgBouncer;

before(async () => {
  if (withoutPgBouncer) return;
  server = await PostgresServer.start(cleanup);
  pooler = await PgBouncer.start(cleanup, server);
});
after(() => cleanup.run());

/** Starts the pooler with other settings. */
async function restart(options: PgBouncerOptions = {}): Promise<void> {
  await pooler.kill('SIGKILL');
  pooler.configure(server, options);
  await pooler.run();
}

/** Makes a migrated database that nothing has open. */
async function fresh(): Promise<{ direct: PostgresPlace; pooled: PostgresPlace; both: PostgresPlace }> {
  const { db, place: direct } = await clonePostgres(server.url());
  await db.destroy();
  const pooled = placeOf(pooler.url(direct.database));
  return { direct, pooled, both: { ...direct, pooler: pooled } };
}

async function open(both: PostgresPlace, told = new Told()) {
  const db = await openPostgres([both], told);
  const store = createStore(db, db.now);
  cleanup.add(() => store.close().catch(() => undefined));
  const { tenant } = await createTenant(store, actor, 'First');
  return { store, tenant: tenant.id, told };
}

const refused = (place: PostgresPlace, text: RegExp) =>
  assert.rejects(openPostgres([place], new Told()), (error: Error) => {
    assert.match(error.message, text);
    assert.ok(error instanceof OperatorError, error.stack);
    return true;
  });

const options = { skip: withoutPgBouncer };

test(
  'a pooler is refused where a session has to last, however it chooses among processes of the server',
  options,
  async () => {
    const { pooled } = await fresh();
    const text = /a pooler is in front of .*SALLYPORT_DATABASE_DIRECT_URL/;
    // Without these words the pooler refuses the second question already.
    const willing = { ignore_startup_parameters: 'options' };
    const kinds: Record<string, string>[] = [
      {},
      { ...willing },
      { ...willing, default_pool_size: '1' },
      { ...willing, server_round_robin: '1', min_pool_size: '2', default_pool_size: '2' },
      { ...willing, pool_mode: 'statement' },
    ];
    for (const settings of kinds) {
      await restart({ settings });
      await refused(pooled, text);
    }
    await refused({ ...pooled, pooler: pooled }, text);
    await restart({ settings: { ...willing, pool_mode: 'session' } });
    const { store, tenant } = await open(pooled);
    await make(store, tenant, 'made in a session');
    assert.deepEqual(await made(store, tenant), ['made in a session']);
    await store.close();
  },
);

test('each way in which a pooler cannot be used has a message of its own', options, async () => {
  const { direct, pooled, both } = await fresh();
  const through = (change: Partial<PostgresPlace>) => ({ ...direct, pooler: { ...pooled, ...change } });
  await server.sql(`CREATE DATABASE other_copy TEMPLATE ${direct.database}`);
  await restart();
  await refused(through({ database: 'other_copy' }), /DATABASE_URL .* leads to another server or database than/);
  await refused(through({ database: 'missing' }), /there is no database missing/);
  await refused(through({ user: 'stranger' }), /the user or the password is wrong/);
  const elsewhere = `${direct.database} connect_query='SET search_path TO elsewhere'`;
  await restart({ databases: { [direct.database]: elsewhere } });
  await refused(both, /finds no tables of Sallyport, or other ones/);
  await restart({ settings: { pool_mode: 'statement' } });
  await refused(both, /transaction blocks not allowed in statement pooling mode/);
  await restart({ settings: { default_pool_size: '3', query_wait_timeout: '4' } });
  await refused(both, /does not lend 5 connections at once: query_wait_timeout.*default_pool_size/);
  await restart({ settings: { max_client_conn: '4' } });
  await refused(both, /does not lend 5 connections at once: no more connections allowed/);
  await pooler.kill('SIGKILL');
  await refused(both, /no PostgreSQL server listens in/);
  await restart();
  const { store } = await open(both);
  await store.close();
});

test(
  'a pooler that is killed, or whose server is, loses no acknowledged write, and statements go on by themselves',
  options,
  async () => {
    await restart();
    const { store, tenant, told } = await open((await fresh()).both);
    const writing = new Writing(store, tenant);
    for (const victim of [pooler, server]) {
      await writing.more();
      const { length } = told.losses;
      await victim.kill('SIGKILL');
      await until('the loss is noticed', () => told.losses.length > length && store.trouble() !== null);
      await assert.rejects(make(store, tenant, 'refused'), { code: 'unavailable' });
      const { returns } = told;
      await victim.run();
      await until('the database is back', () => told.returns > returns && store.trouble() === null);
    }
    await writing.more();
    await writing.end();
    assert.deepEqual(told.ends, []);
    await store.close();
  },
);

test('a commit through a pooler without an answer counts once, whether it has happened or not', options, async () => {
  await restart();
  const { direct, pooled } = await fresh();
  for (const cut of ['before the commit', 'after the commit'] as const) {
    const proxy = await Cutter.start(join(pooler.folder, `.s.PGSQL.${pooled.port}`));
    const { store, tenant } = await open({ ...direct, pooler: { ...pooled, host: '127.0.0.1', port: proxy.port } });
    proxy.cut = cut;
    const revision = await make(store, tenant, `made ${cut}`);
    assert.equal(proxy.cut, null, 'the connection was cut');
    assert.deepEqual(await made(store, tenant), [`made ${cut}`]);
    assert.equal((await revisions(store, tenant)).at(-1), revision);
    await store.close();
    proxy.stop();
  }
});

test(
  'statements that come again and again find their way, whichever process of the server gets them',
  options,
  async () => {
    await restart();
    const { store } = await open((await fresh()).both);
    const one = sql<{ one: number }>`SELECT ${1}::int AS one`;
    for (let round = 0; round < 10; round++) {
      const asked = Array.from({ length: 4 }, () => store.db.transaction().execute((trx) => one.execute(trx)));
      for (const { rows } of await Promise.all(asked)) assert.deepEqual(rows, [{ one: 1 }]);
    }
    await store.close();
  },
);

test(
  'the server ends a transaction through a pooler whose process stands still, and others find nothing of that',
  options,
  async () => {
    await restart();
    const { store } = await open((await fresh()).both);
    const idle = sql<{ time: string }>`SELECT current_setting('idle_in_transaction_session_timeout') AS time`;
    const inside = await store.db.transaction().execute((trx) => idle.execute(trx));
    assert.deepEqual(inside.rows, [{ time: '10s' }]);
    assert.deepEqual((await idle.execute(store.db)).rows, [{ time: '0' }]);
    await store.close();
  },
);

test(
  'nothing is written through a pooler that leads elsewhere, and it is used again when it leads back',
  options,
  async () => {
    await restart();
    const { direct, both } = await fresh();
    const first = await open(both);
    await make(first.store, first.tenant, 'made in both');
    await first.store.close();
    await restart();
    const copy = `${direct.database}_copy`;
    await server.sql(`CREATE DATABASE ${copy} TEMPLATE ${direct.database}`);
    const told = new Told();
    const db = await openPostgres([both], told);
    const store = createStore(db, db.now);
    const writing = new Writing(store, first.tenant);
    const alone: string[] = [];
    const note = async (id: string): Promise<void> => {
      await db.insertInto('commit_marks').values({ id, at: 1 }).execute();
      alone.push(id);
    };
    await note('before');
    await writing.more();
    pooler.configure(server, { databases: { [direct.database]: copy } });
    pooler.signal('SIGHUP');
    await until('the pooler is found astray', async () => {
      await note(`note ${alone.length}`).catch(({ code }) => assert.equal(code, 'unavailable'));
      return /leads to another server or database/.test(String(store.trouble()));
    });
    await assert.rejects(make(store, first.tenant, 'refused'), { code: 'unavailable' });
    assert.equal(
      await server.sql("SELECT string_agg(name, ',') FROM protocols WHERE name LIKE 'made%'", copy),
      'made in both',
    );
    assert.equal(await server.sql('SELECT count(*) FROM commit_marks WHERE at = 1', copy), '0', 'of single statements');
    pooler.configure(server);
    pooler.signal('SIGHUP');
    await until('the pooler is used again', () => store.trouble() === null);
    await writing.more();
    await writing.end();
    const notes = await db.selectFrom('commit_marks').select('id').where('at', '=', 1).execute();
    const found = new Set(notes.map(({ id }) => id));
    assert.deepEqual(
      alone.filter((id) => !found.has(id)),
      [],
    );
    await assert.rejects(db.insertInto('commit_marks').values({ id: 'before', at: 2 }).execute(), { code: '23505' });
    assert.ok(told.returns > 0);
    assert.deepEqual(told.ends, []);
    await store.close();
  },
);

test('a pooler without a free connection gives 503, and is used again when it has one', options, async () => {
  const { both, pooled } = await fresh();
  await restart({ settings: { default_pool_size: '6', query_wait_timeout: '4' } });
  const { store, tenant } = await open(both);
  const holdAll = (depth: number): Promise<void> =>
    asAdmin(pooled, async (client) => {
      await client.query('BEGIN');
      if (depth > 1) return holdAll(depth - 1);
      await assert.rejects(make(store, tenant, 'made without'), { code: 'unavailable' });
    });
  await holdAll(6);
  await until('writes are possible', () => store.trouble() === null);
  await make(store, tenant, 'made with');
  await restart({ settings: { max_client_conn: '1' } });
  await until('writes are refused', () =>
    make(store, tenant, 'another').then(
      () => false,
      ({ code }) => code === 'unavailable',
    ),
  );
  await restart();
  await until('writes are possible', () => store.trouble() === null);
  await make(store, tenant, 'made at the end');
  assert.deepEqual((await made(store, tenant)).sort(), ['made at the end', 'made with']);
  await store.close();
});
