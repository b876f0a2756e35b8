import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { Kysely } from 'kysely';
import { verifyAudit } from '../features/audit/verify.ts';
import { createTenant } from '../features/tenants/commands.ts';
import { openTestStore } from '../testing/harness.ts';
import { sqliteDialect } from './dialect.ts';
import { migrate } from './migrate.ts';
import type { Database } from './schema.ts';
import { scoped } from './scoped.ts';
import { createStore, type Store, type Tx, type WriteContext } from './store.ts';

const actor = { kind: 'system', id: null, name: 'test' } as const;

interface Opened {
  readonly store: Store;
  readonly context: WriteContext;
  /** Runs these writes at once, and returns the outcomes. */
  readonly together: (...works: ((tx: Tx) => Promise<unknown>)[]) => Promise<('fulfilled' | 'rejected')[]>;
}

async function open(store: Store): Promise<Opened> {
  const { tenant } = await createTenant(store, actor, 'Test');
  const context = { tenant: tenant.id, actor, action: 'test', sourceIp: null, requestId: null };
  const together: Opened['together'] = async (...works) =>
    (await Promise.allSettled(works.map((work) => store.write(context, work)))).map(({ status }) => status);
  return { store, context, together };
}

/** Inserts a row that the transaction may send late. */
const make = (id: string) => async (tx: Tx) => {
  const row = { id, created_at: tx.now, name: id, type: 'CUSTOM' as const, network_protocols: '[]' };
  await tx.scoped.insert('protocols', row);
  tx.changed({ kind: 'protocol', id, op: 'create', name: id, before: null, after: { id } });
};

const found = (db: Pick<Tx, 'scoped'>['scoped']) =>
  db.selectFrom('protocols').select('id').where('type', '=', 'CUSTOM').orderBy('id').execute();

/** The rows of the tenant, after a check that its history has no gap. */
async function kept({ store, context: { tenant } }: Opened): Promise<string[]> {
  const own = scoped(store.db, tenant);
  const verified = await verifyAudit(store, tenant);
  assert.equal(verified.intact, true, verified.reason);
  const revisions = await own.selectFrom('change_log').select('revision').distinct().orderBy('revision').execute();
  const { revision, audit_hash } = await own.selectTenant().selectAll().executeTakeFirstOrThrow();
  assert.deepEqual(
    revisions.map((row) => row.revision),
    Array.from({ length: revision }, (_, at) => at + 1),
  );
  assert.equal(audit_hash, verified.head);
  return (await found(own)).map(({ id }) => id);
}

const fail = async (): Promise<never> => {
  throw new Error('no');
};

const inTurn =
  (...works: ((tx: Tx) => Promise<unknown>)[]) =>
  async (tx: Tx) => {
    for (const work of works) await work(tx);
  };

test('a row that the database refuses late fails its own write only', async (t) => {
  const opened = await open(await openTestStore(t));
  await opened.together(make('taken'));
  assert.deepEqual(await opened.together(make('a'), make('taken'), make('b'), make('b'), make('c')), [
    ...(['fulfilled', 'rejected', 'fulfilled'] as const),
    ...(['rejected', 'fulfilled'] as const),
  ]);
  assert.deepEqual(await kept(opened), ['a', 'b', 'c', 'taken']);
});

test('a single write whose row is refused late fails, with the reason', async (t) => {
  const opened = await open(await openTestStore(t));
  await opened.together(make('taken'));
  await assert.rejects(opened.store.write(opened.context, make('taken')), /unique/i);
  assert.deepEqual(await opened.together(make('after')), ['fulfilled']);
  assert.deepEqual(await kept(opened), ['after', 'taken']);
});

test('a dry run finds that a row would be refused', async (t) => {
  const { store, context, together } = await open(await openTestStore(t));
  await together(make('taken'));
  await assert.rejects(
    store.dryRun(context, make('taken'), async () => undefined),
    /unique/i,
  );
  assert.equal(await store.dryRun(context, make('free'), async () => 'fine'), 'fine');
});

test('a write whose row is refused is told so, although the write that met the refusal went on', async (t) => {
  const opened = await open(await openTestStore(t));
  await opened.together(make('taken'));
  const careless = async (tx: Tx) => void (await found(tx.scoped).catch(() => undefined));
  assert.deepEqual(await opened.together(make('a'), make('taken'), careless), ['fulfilled', 'rejected', 'fulfilled']);
  assert.deepEqual(await kept(opened), ['a', 'taken']);
});

test('a write that throws leaves nothing, whether its rows were sent or not', async (t) => {
  const opened = await open(await openTestStore(t));
  const look = (tx: Tx) => found(tx.scoped);
  const update = (tx: Tx) => tx.scoped.updateTable('protocols').set({ name: 'changed' }).execute();
  const outcomes = await opened.together(
    make('a'),
    inTurn(make('b'), fail),
    make('c'),
    inTurn(make('d'), look, fail),
    inTurn(look, make('e')),
    inTurn(make('f'), update, make('g'), fail),
    make('h'),
  );
  assert.deepEqual(
    outcomes.map((outcome) => outcome === 'fulfilled'),
    [true, false, true, false, true, false, true],
  );
  assert.deepEqual(await kept(opened), ['a', 'c', 'e', 'h']);
  const changed = await scoped(opened.store.db, opened.context.tenant)
    .selectFrom('protocols')
    .select('id')
    .where('name', '=', 'changed')
    .execute();
  assert.deepEqual(changed, []);
});

test('a write finds its own rows and those of the writes before it', async (t) => {
  const opened = await open(await openTestStore(t));
  const seen: string[][] = [];
  const look = async (tx: Tx) => void seen.push((await found(tx.scoped)).map(({ id }) => id));
  await opened.together(make('a'), inTurn(look, make('b'), look), inTurn(make('c'), look));
  assert.deepEqual(seen, [['a'], ['a', 'b'], ['a', 'b', 'c']]);
});

test('rows of one table keep their values, whatever the order of their columns', async (t) => {
  const { store, context, together } = await open(await openTestStore(t));
  const [type, created_at] = ['CUSTOM' as const, 1];
  const one = { id: 'a', created_at, name: 'A', type, network_protocols: '[1]' };
  const other = { network_protocols: '[2]', type, name: 'B', created_at, id: 'b' };
  const insert = (row: typeof one) => (tx: Tx) => tx.scoped.insert('protocols', row);
  const outcomes = await together(
    insert(one),
    insert(other),
    insert({ ...one, id: 'c' }),
    insert({ ...other, id: 'd' }),
  );
  assert.deepEqual(new Set(outcomes), new Set(['fulfilled']));
  const own = scoped(store.db, context.tenant);
  await own.insert('protocols', { ...other, id: 'e' });
  const rows = own.selectFrom('protocols').select(['id', 'name', 'network_protocols']).where('type', '=', type);
  assert.deepEqual(
    (await rows.orderBy('id').execute()).map(({ id, name, network_protocols }) => `${id} ${name} ${network_protocols}`),
    ['a A [1]', 'b B [2]', 'c A [1]', 'd B [2]', 'e B [2]'],
  );
});

test('what a transaction knows is forgotten with the write that learned it, and when a statement writes', async (t) => {
  const opened = await open(await openTestStore(t));
  const known: unknown[] = [];
  const learn = (value: number) => async (tx: Tx) => tx.know('number', value);
  const ask = async (tx: Tx) => void known.push(tx.known('number'));
  const update = (tx: Tx) => tx.scoped.updateTable('protocols').set({ name: 'changed' }).execute();
  await opened.together(ask, learn(1), inTurn(learn(2), ask, fail), inTurn(make('a'), ask), inTurn(update, ask), ask);
  assert.deepEqual(known, [undefined, 2, 1, undefined, undefined]);
  await opened.together(ask);
  assert.equal(known.at(-1), undefined, 'nothing outlives the transaction');
});

test('small writes of one transaction read and store the head once, and need no savepoints', async (t) => {
  const database = new DatabaseSync(':memory:');
  migrate(database);
  const statements: string[] = [];
  const log = ({ query }: { query: { sql: string } }) => void statements.push(query.sql);
  const opened = await open(createStore(new Kysely<Database>({ dialect: sqliteDialect(database), log }), () => 1));
  t.after(() => opened.store.close());
  statements.length = 0;
  await opened.together(...['a', 'b', 'c', 'd'].map(make));
  const beginnings = ['SAVEPOINT', 'select "revision", "audit_hash"', 'update "tenants"', 'COMMIT'];
  const counts = beginnings.map((beginning) => statements.filter((text) => text.startsWith(beginning)).length);
  assert.deepEqual(counts, [0, 1, 1, 1]);
  assert.deepEqual(await kept(opened), ['a', 'b', 'c', 'd']);
});
