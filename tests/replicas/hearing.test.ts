import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { until } from '@sallyport/testkit';
import { openPostgres } from '../../apps/controller/src/db/postgres/open.ts';
import type { PostgresPlace } from '../../apps/controller/src/db/postgres/place.ts';
import { createTenant } from '../../apps/controller/src/features/tenants/commands.ts';
import { joinReplica, type TestReplica } from '../../apps/controller/src/testing/shared-replicas.ts';
import { freshDatabase, serverOfFile } from './fixtures.ts';

const postgres = serverOfFile();
const actor = { kind: 'system', id: null, name: 'test' } as const;

/** Opens the database as a process does that hears what replicas tell all others, and tells nothing. */
async function listen(t: TestContext, place: PostgresPlace) {
  const heard: string[] = [];
  const ignored = () => undefined;
  const events = { lost: ignored, check: ignored, back: ignored, ended: ignored };
  const sharing = { key: 1, channels: ['sallyport'] };
  const db = await openPostgres([place], { ...events, heard: (text) => heard.push(text) }, { sharing });
  await db.started();
  t.after(() => db.destroy());
  return { db, heard };
}

async function join(t: TestContext, place: PostgresPlace): Promise<TestReplica> {
  const replica = await joinReplica(place);
  t.after(() => replica.stop());
  return replica;
}

/** Commits to a new tenant. Nothing but a notice tells another replica of it: it looks only for tenants that it knows. */
const commit = async ({ store }: TestReplica): Promise<string> => (await createTenant(store, actor, 'New')).tenant.id;

test('a lone replica tells nothing, and tells the first one that starts what it has committed', async (t) => {
  const place = await freshDatabase(postgres.server);
  const { heard } = await listen(t, place);
  const a = await join(t, place);
  const tenants = [await commit(a), await commit(a)];
  a.replicas.tell('others', 'news', 1);
  a.replicas.facts.publish({ tenant: 't', kind: 'seen', object: 'o', generation: 0, value: 1 });
  await a.replicas.facts.settled();
  const b = await join(t, place);
  await until('b knows both', () => tenants.every((tenant) => b.store.log.head(tenant) === a.store.log.head(tenant)));
  await until('the notice came', () => heard.some((text) => text.startsWith(`C ${a.replicas.self.id}`)));
  assert.equal(heard[0], `F ${b.replicas.self.id} 0`, 'nothing was sent while there was no other replica');
  assert.ok(heard.includes(`F ${a.replicas.self.id} 1`), 'the new one hears which facts there are');
  assert.equal(a.replicas.figures().messages.sent, 0);
});

test('a replica that starts hears of commits from its start on, and misses none, before anyone looks by itself', async (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] });
  const place = await freshDatabase(postgres.server);
  const a = await join(t, place);
  const tenants = [await commit(a)];
  const joining = join(t, place);
  let started = false;
  joining.finally(() => {
    started = true;
  });
  while (!started) tenants.push(await commit(a));
  const b = await joining;
  for (let n = 0; n < 5; n++) tenants.push(await commit(a));
  const missing = () => tenants.filter((tenant) => b.store.log.head(tenant) !== a.store.log.head(tenant));
  await until('b has heard of every commit', () => missing().length === 0);
  tenants.push(await commit(b));
  await until('a hears of those of b', () => a.store.log.head(tenants.at(-1) ?? '') > 0);
});

test('a replica that was taken for ended hears later what was committed meanwhile', async (t) => {
  const place = await freshDatabase(postgres.server);
  const a = await join(t, place);
  const b = await join(t, place);
  await until('they see each other', () => [a, b].every(({ replicas }) => replicas.others().length === 1));
  const { db } = await listen(t, place);
  const { id } = b.replicas.self;
  // As if b stood still: it was seen long ago, and cannot say that it lives while its row is locked.
  const seenLongAgo = async () => {
    await db.updateTable('replicas').set({ seen_at: 0 }).where('id', '=', id).execute();
    const trx = await db.startTransaction().execute();
    const row = trx.selectFrom('replicas').select('seen_at').where('id', '=', id).forUpdate();
    if ((await row.executeTakeFirstOrThrow()).seen_at === 0) return trx;
    await trx.rollback().execute();
    return null;
  };
  let standing = await seenLongAgo();
  while (standing === null) standing = await seenLongAgo();
  await until('a takes b for ended', () => a.replicas.others().length === 0);
  const tenant = await commit(a);
  assert.equal(a.replicas.others().length, 0);
  assert.equal(b.store.log.head(tenant), 0);
  await standing.rollback().execute();
  await until('b hears of the commit', () => b.store.log.head(tenant) > 0);
  assert.deepEqual([a.troubles, b.troubles], [[], []]);
});

test('a replica that comes back after a time without the database makes itself known', async (t) => {
  const place = await freshDatabase(postgres.server);
  const { heard } = await listen(t, place);
  const a = await join(t, place);
  const b = await join(t, place);
  await until('they see each other', () => [a, b].every(({ replicas }) => replicas.others().length === 1));
  const own = () => heard.filter((text) => text === `F ${b.replicas.self.id} 0`).length;
  await until('b was heard', () => own() > 0);
  const before = own();
  b.replicas.back();
  await until('b is heard again', () => own() > before);
});
