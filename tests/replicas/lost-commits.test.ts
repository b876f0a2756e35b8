import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import { createStore, type Store } from '../../apps/controller/src/db/store.ts';
import { createTenant } from '../../apps/controller/src/features/tenants/commands.ts';
import { countedDatabase, type LostCommit } from '../../apps/controller/src/testing/counted-database.ts';
import { freshDatabase, serverOfFile } from './fixtures.ts';

const postgres = serverOfFile();
const nobody = { kind: 'system', id: null, name: 'test' } as const;

/** A store whose commits get no answer when the test wants it, and a tenant. */
async function open(t: TestContext, patienceMs: number) {
  const place = await freshDatabase(postgres.server);
  const lost: LostCommit[] = [];
  const loses = () => lost.shift() ?? null;
  const db = countedDatabase(place, { check: () => undefined, used: () => undefined, loses });
  const store = createStore(db, Date.now, undefined, undefined, patienceMs);
  t.after(() => store.close());
  const { tenant } = await createTenant(store, nobody, 'first');
  const head = async () =>
    (await db.selectFrom('tenants').select('revision').where('id', '=', tenant.id).executeTakeFirstOrThrow()).revision;
  return { store, lost, tenant: tenant.id, head };
}

/** Notes a random object, as a create does: a repetition of the work notes another one. */
const create = (store: Store, tenant: string): Promise<string> =>
  store.write({ tenant, actor: nobody, action: 'test', sourceIp: null, requestId: null }, async (tx) => {
    const id = randomUUID();
    tx.changed({ kind: 'group', id, op: 'create', after: { id } });
    return id;
  });

const noted = async ({ db }: Store, ids: readonly string[]) =>
  (
    await db.selectFrom('change_log').select('object_id').where('object_id', 'in', ids).orderBy('revision').execute()
  ).map(({ object_id }) => object_id);

/** Each of them several commits in a row: the first one, and repetitions. */
const histories: LostCommit[][] = [
  ['before'],
  ['after'],
  ['between'],
  ['before', 'before', 'after'],
  ['before', 'after'],
  ['between', 'between', 'after'],
  ['after', 'after', 'before'],
];

for (const history of histories)
  test(`a write is there once, as its caller is told, when answers to commits get lost: ${history.join(', ')}`, async (t) => {
    const { store, lost, tenant, head } = await open(t, 60_000);
    const before = await head();
    lost.push(...history);
    const ids = await Promise.all([create(store, tenant), create(store, tenant), create(store, tenant)]);
    assert.deepEqual(await noted(store, ids), ids, 'what callers got is what is there');
    assert.equal(await head(), before + 3, 'and nothing else');
  });

test('a write of which nothing can be found out in time is refused as not known, and is there once at most', async (t) => {
  for (const history of [
    ['before', 'before'],
    ['after', 'before'],
  ] as const) {
    const { store, lost, tenant, head } = await open(t, 0);
    const before = await head();
    lost.push(...history);
    await assert.rejects(create(store, tenant), /it is not known whether it was/);
    assert.equal(await head(), before + (history[0] === 'after' ? 1 : 0));
  }
});
