import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { DatabaseSync } from 'node:sqlite';
import { type TestContext, test } from 'node:test';
import { DummyDriver, Kysely, PostgresAdapter, PostgresIntrospector, PostgresQueryCompiler } from 'kysely';
import { verifyAudit } from '../features/audit/verify.ts';
import { createTenant } from '../features/tenants/commands.ts';
import { openTestStore } from '../testing/harness.ts';
import { sqliteDialect } from './dialect.ts';
import { lockHead } from './history.ts';
import { migrate } from './migrate.ts';
import type { Database } from './schema.ts';
import { scoped } from './scoped.ts';
import { createStore, type LoggedRevision, type Store, type Tx, type WriteContext } from './store.ts';

const actor = { kind: 'system', id: null, name: 'test' } as const;

async function open(
  t: TestContext,
): Promise<{ store: Store; tenant: string; context: WriteContext; commits: LoggedRevision[] }> {
  const store = await openTestStore(t);
  const { tenant } = await createTenant(store, actor, 'Test');
  const commits: LoggedRevision[] = [];
  store.onCommit(({ revision }) => commits.push(...(store.log.recent(tenant.id, revision - 1) ?? [])));
  const context = { tenant: tenant.id, actor, action: 'test', sourceIp: '192.0.2.1', requestId: 'r-1' };
  return { store, tenant: tenant.id, context, commits };
}

const touch = async (tx: Tx, id: string): Promise<string> => {
  const row = { id, created_at: tx.now, name: id, type: 'CUSTOM' as const, network_protocols: '[]' };
  await tx.scoped.insertInto('protocols', row).execute();
  tx.changed({ kind: 'protocol', id, op: 'create', name: id, before: null, after: { id } });
  return id;
};

const names = async (store: Store, tenant: string) =>
  (await scoped(store.db, tenant).selectFrom('protocols').select('id').where('type', '=', 'CUSTOM').execute()).map(
    ({ id }) => id,
  );

test('concurrent writes share a commit, and each takes the next revision in order', async (t) => {
  const { store, tenant, context, commits } = await open(t);
  const before = (
    await store.db.selectFrom('tenants').select('revision').where('id', '=', tenant).executeTakeFirstOrThrow()
  ).revision;
  const ids = Array.from({ length: 100 }, (_, n) => `p${n}`);
  assert.deepEqual(await Promise.all(ids.map((id) => store.write(context, (tx) => touch(tx, id)))), ids);
  assert.deepEqual(
    commits.map(({ revision }) => revision),
    ids.map((_, n) => before + 1 + n),
  );
  assert.deepEqual(
    commits.map(({ changes }) => changes[0]?.id),
    ids,
  );
});

test('a listener that throws is reported, and the write and the other listeners are not affected', async (t) => {
  const { store: made, tenant, context } = await open(t);
  const failures: unknown[] = [];
  const store = createStore(made.db, made.now, undefined, (error) => failures.push(error));
  const heard: number[] = [];
  const cause = new Error('the cause');
  store.onCommit(() => {
    throw cause;
  });
  store.onCommit(({ revision }) => heard.push(revision));
  await Promise.all(['one', 'two'].map((id) => store.write(context, (tx) => touch(tx, id))));
  assert.deepEqual((await names(store, tenant)).sort(), ['one', 'two']);
  assert.equal(heard.length, 2);
  assert.deepEqual(failures, [cause, cause]);
});

test('a write that throws is undone alone and takes no revision', async (t) => {
  const { store, tenant, context, commits } = await open(t);
  const outcomes = await Promise.allSettled([
    store.write(context, (tx) => touch(tx, 'a')),
    store.write(context, async (tx) => {
      await touch(tx, 'b');
      throw new Error('no');
    }),
    store.write(context, (tx) => touch(tx, 'c')),
  ]);
  assert.deepEqual(
    outcomes.map(({ status }) => status),
    ['fulfilled', 'rejected', 'fulfilled'],
  );
  assert.deepEqual((await names(store, tenant)).sort(), ['a', 'c']);
  const [first, second] = commits;
  assert.equal(commits.length, 2);
  assert.equal(second?.revision, (first?.revision ?? 0) + 1);
});

test('a statement that the database refuses undoes its own write only', async (t) => {
  const { store, tenant, context } = await open(t);
  await store.write(context, (tx) => touch(tx, 'taken'));
  const outcomes = await Promise.allSettled(
    ['x', 'taken', 'y'].map((id) => store.write(context, (tx) => touch(tx, id))),
  );
  assert.equal(outcomes[1]?.status, 'rejected');
  assert.deepEqual((await names(store, tenant)).sort(), ['taken', 'x', 'y']);
});

test('uncommitted data is not readable', async (t) => {
  const { store, tenant, context } = await open(t);
  const seen: string[][] = [];
  const write = store.write(context, async (tx) => {
    for (const id of ['a', 'b', 'c']) {
      await touch(tx, id);
      seen.push([]);
    }
    throw new Error('undone');
  });
  const reads = Promise.all(Array.from({ length: 20 }, () => names(store, tenant)));
  await assert.rejects(write);
  assert.ok((await reads).every((found) => found.length === 0));
});

test('without changes there is no revision and no history', async (t) => {
  const { store, context, commits } = await open(t);
  assert.equal(await store.write(context, async () => 'value'), 'value');
  assert.deepEqual(commits, []);
});

test('a dry run sees its own changes and leaves nothing', async (t) => {
  const { store, tenant, context, commits } = await open(t);
  const seen = await store.dryRun(
    context,
    (tx) => touch(tx, 'tried'),
    async (tx, changes) => ({
      ids: changes.map(({ id }) => id),
      rows: await tx.scoped.selectFrom('protocols').select('id').where('id', '=', 'tried').execute(),
    }),
  );
  assert.deepEqual(seen.ids, ['tried']);
  assert.equal(seen.rows.length, 1);
  assert.deepEqual(await names(store, tenant), []);
  assert.deepEqual(commits, []);
});

test('audit events hold who, what, before and after, chained by hashes; the feed has the same order', async (t) => {
  const { store, tenant, context } = await open(t);
  await store.write(context, async (tx) => {
    await touch(tx, 'a');
    await touch(tx, 'b');
  });
  const own = scoped(store.db, tenant);
  const events = await own.selectFrom('audit_events').selectAll().orderBy('revision').orderBy('seq').execute();
  const last = events.at(-1);
  assert.deepEqual(
    [
      last?.actor_kind,
      last?.actor_name,
      last?.source_ip,
      last?.request_id,
      last?.action,
      last?.object_id,
      last?.before,
      last?.after,
    ],
    ['system', 'test', '192.0.2.1', 'r-1', 'test', 'b', null, '{"id":"b"}'],
  );
  let previous = '0'.repeat(64);
  for (const { tenant_id, hash, ...event } of events) {
    assert.equal(event.prev_hash, previous);
    const {
      revision,
      seq,
      at,
      actor_kind,
      actor_id,
      actor_name,
      source_ip,
      request_id,
      action,
      kind,
      object_id,
      before,
      after,
      prev_hash,
    } = event;
    const fields = [
      tenant_id,
      revision,
      seq,
      at,
      actor_kind,
      actor_id,
      actor_name,
      source_ip,
      request_id,
      action,
      kind,
      object_id,
      before,
      after,
      prev_hash,
    ];
    assert.equal(hash, createHash('sha256').update(JSON.stringify(fields)).digest('hex'));
    previous = hash;
  }
  const feed = await own
    .selectFrom('change_log')
    .select(['revision', 'seq', 'object_id'])
    .orderBy('revision')
    .orderBy('seq')
    .execute();
  assert.deepEqual(
    feed.map((row) => row.object_id),
    events.map((event) => event.object_id),
  );
});

test('a change of many objects is one revision, whatever the number of rows per statement', async (t) => {
  const { store, tenant, context, commits } = await open(t);
  await store.write(context, async (tx) => {
    for (let n = 0; n < 450; n++) tx.changed({ kind: 'policy', id: `p${n}`, op: 'update' });
  });
  assert.equal(commits.length, 1);
  const feed = await scoped(store.db, tenant)
    .selectFrom('change_log')
    .select('seq')
    .where('revision', '=', commits[0]?.revision ?? 0)
    .execute();
  assert.equal(feed.length, 450);
});

test('scoped queries never leave their tenant', async (t) => {
  const { store, tenant, context } = await open(t);
  const other = await createTenant(store, actor, 'Other');
  await store.write(context, (tx) => touch(tx, 'mine'));
  const foreign = scoped(store.db, other.tenant.id);
  assert.equal((await foreign.selectFrom('protocols').selectAll().where('id', '=', 'mine').execute()).length, 0);
  const updated = await foreign
    .updateTable('protocols')
    .set({ name: 'stolen' })
    .where('id', '=', 'mine')
    .executeTakeFirst();
  assert.equal(updated.numUpdatedRows, 0n);
  const deleted = await foreign.deleteFrom('protocols').where('id', '=', 'mine').executeTakeFirst();
  assert.equal(deleted.numDeletedRows, 0n);
  assert.deepEqual(await names(store, tenant), ['mine']);
});

test('a write and a dry run read the head of their tenant before anything else', async (t) => {
  const database = new DatabaseSync(':memory:');
  migrate(database);
  const statements: string[] = [];
  const log = ({ query }: { query: { sql: string } }) => void statements.push(query.sql);
  const db = new Kysely<Database>({ dialect: sqliteDialect(database), log });
  t.after(() => db.destroy());
  const store = createStore(db, () => 1);
  const { tenant } = await createTenant(store, actor, 'Test');
  const context = { tenant: tenant.id, actor, action: 'test', sourceIp: null, requestId: null };
  const before = () => statements.splice(0).slice(0, 3).join('; ');
  before();
  await store.write(context, (tx) => touch(tx, 'a'));
  assert.match(before(), /^BEGIN IMMEDIATE; select "revision", "audit_hash" from "tenants"/);
  await store.dryRun(
    context,
    (tx) => touch(tx, 'b'),
    async () => undefined,
  );
  assert.match(before(), /^BEGIN IMMEDIATE; select "revision", "audit_hash" from "tenants"/);
});

test('where a database locks rows, a write locks the head of its tenant', async () => {
  const statements: string[] = [];
  const dialect = {
    createAdapter: () => new PostgresAdapter(),
    createDriver: () => new DummyDriver(),
    createIntrospector: (db: Kysely<Database>) => new PostgresIntrospector(db),
    createQueryCompiler: () => new PostgresQueryCompiler(),
  };
  const db = new Kysely<Database>({ dialect, log: ({ query }) => void statements.push(query.sql) });
  assert.equal(await lockHead({ tenant: 't', db, scoped: scoped(db, 't'), known: () => undefined }), null);
  assert.match(statements.join(), / from "tenants" where "id" = \$1 for update$/);
});

test('writes of two stores on one database take turns: one chain of audit events, one line of revisions', async (t) => {
  const { store, tenant, context } = await open(t);
  const other = createStore(store.db, store.now);
  const stores = [store, other, other, store, other, store];
  await Promise.all(stores.map((each, n) => each.write(context, (tx) => touch(tx, `p${n}`))));
  for (const [n, each] of stores.entries()) await each.write(context, (tx) => touch(tx, `q${n}`));
  const verified = await verifyAudit(store, tenant);
  assert.equal(verified.intact, true, verified.reason);
  const { revision, audit_hash } = await scoped(store.db, tenant).selectTenant().selectAll().executeTakeFirstOrThrow();
  assert.equal(audit_hash, verified.head);
  const feed = await scoped(store.db, tenant).selectFrom('change_log').select('revision').distinct().execute();
  assert.equal(feed.length, revision);
});
