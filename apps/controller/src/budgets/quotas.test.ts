import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { type TestContext, test } from 'node:test';
import { Kysely } from 'kysely';
import { bySystem } from '../db/contexts.ts';
import { sqliteDialect } from '../db/dialect.ts';
import { migrate } from '../db/migrate.ts';
import type { Database } from '../db/schema.ts';
import { scoped } from '../db/scoped.ts';
import { createStore, type Store, type Tx } from '../db/store.ts';
import { createTenant } from '../features/tenants/commands.ts';
import { defaultQuotas, Quotas } from './quotas.ts';

/** Opens two controllers on one database, and counts how often they count protocols. `most` may be added to those there. */
async function open(t: TestContext, most: number) {
  const database = new DatabaseSync(':memory:');
  migrate(database);
  let counts = 0;
  const log = ({ query }: { query: { sql: string } }) => {
    if (/^select count\(\*\).* from "protocols"/.test(query.sql)) counts++;
  };
  const db = new Kysely<Database>({ dialect: sqliteDialect(database), log });
  const unlimited = createStore(db, () => 1);
  const { tenant } = await createTenant(unlimited, { kind: 'system', id: null, name: 'test' }, 'Test');
  const there = await scoped(db, tenant.id).selectFrom('protocols').select('id').execute();
  const controller = () => {
    const quotas = new Quotas({ ...defaultQuotas, protocols: there.length + most });
    return createStore(db, () => 1, quotas);
  };
  const stores = [controller(), controller()] as const;
  t.after(() => stores[0].close());
  let made = 0;
  const make = async (tx: Tx, count: number) => {
    for (; count > 0; count--) {
      const id = `made ${made++}`;
      const row = { id, created_at: 0, name: id, type: 'CUSTOM' as const, network_protocols: '[]' };
      await tx.scoped.insert('protocols', row);
      tx.changed({ kind: 'protocol', id, op: 'create' });
    }
  };
  const write = (store: Store, work: (tx: Tx) => Promise<void>) => store.write(bySystem(tenant.id, 'test'), work);
  const create = (store: Store, count = 1) => write(store, (tx) => make(tx, count));
  const remove = (store: Store, id: string) =>
    write(store, async (tx) => {
      await tx.scoped.deleteFrom('protocols').where('id', '=', id).execute();
      tx.changed({ kind: 'protocol', id, op: 'delete' });
    });
  return { stores, create, remove, write, make, counts: () => counts };
}

const exceeded = { code: 'quota_exceeded' };

test('controllers that write in turns count the objects once each, and take off what the other one created', async (t) => {
  const {
    stores: [a, b],
    create,
    counts,
  } = await open(t, 100);
  await create(a);
  await create(b);
  const before = counts();
  for (let n = 0; n < 20; n++) await create(n % 2 === 0 ? a : b, 2);
  assert.equal(counts(), before);
  await create(a, 58);
  await assert.rejects(create(b), exceeded);
  await assert.rejects(create(a), exceeded);
});

test('what the other controller has deleted is found before a write is refused', async (t) => {
  const {
    stores: [a, b],
    create,
    remove,
  } = await open(t, 5);
  await create(a, 3);
  await create(b, 2);
  await remove(b, 'made 0');
  await create(a);
  await assert.rejects(create(a), exceeded);
});

test('an undone write that others have followed makes the objects be counted again', async (t) => {
  const {
    stores: [a, b],
    create,
    write,
    make,
    counts,
  } = await open(t, 10);
  await create(a);
  await create(b);
  const undone = [
    write(a, (tx) => make(tx, 1)),
    write(a, async (tx) => {
      await make(tx, 1);
      throw new Error('no');
    }),
  ];
  await Promise.allSettled(undone);
  await create(b, 3);
  await create(a, 4);
  await assert.rejects(create(b), exceeded);
  await assert.rejects(create(a), exceeded);
  assert.ok(counts() > 0);
});
