import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import type { KyselyPlugin } from 'kysely';
import { createTenant } from '../features/tenants/commands.ts';
import { openTestStore } from '../testing/harness.ts';
import { bySystem } from './contexts.ts';
import { LogFollower } from './log-follower.ts';
import { DatabaseUnavailable } from './postgres/failures.ts';
import { createStore, type LoggedChange, type Store } from './store.ts';

const operator = { kind: 'system', id: null, name: 'test' } as const;

/**
 * Opens two stores on one database. `other` commits as another process does. `answered` is called with each answer that
 * `store` gets.
 */
async function open(t: TestContext, answered: () => Promise<void>) {
  const own = await openTestStore(t);
  const other = createStore(own.db, own.now);
  const newTenant = async (name: string) => (await createTenant(other, operator, name)).tenant.id;
  const commit = (tenant: string) =>
    other.write(bySystem(tenant, 'test'), async (tx) => {
      tx.changed({ kind: 'protocol', id: 'p', op: 'update' });
      tx.changed({ kind: 'group', id: tenant, op: 'create' });
    });
  const tell = (tenant: string) => own.noticed({ tenant, revision: other.log.head(tenant) });
  return { own, store: watched(own, answered), other, newTenant, commit, tell };
}

/** Calls `answered` with each answer of the database, before the follower gets it. */
function watched(store: Store, answered: () => Promise<void>): Store {
  const plugin: KyselyPlugin = {
    transformQuery: ({ node }) => node,
    transformResult: async ({ result }) => {
      await answered();
      return result;
    },
  };
  return { ...store, db: store.db.withPlugin(plugin) };
}

const changesOf = (tenant: string): LoggedChange[] => [
  { kind: 'protocol', id: 'p', op: 'update' },
  { kind: 'group', id: tenant, op: 'create' },
];

test('a follower that could not read the log tries again, without another notice', async (t) => {
  let fails = 2;
  const { store, other, newTenant, commit, tell } = await open(t, async () => {
    if (fails-- > 0) throw new DatabaseUnavailable();
  });
  const tenant = await newTenant('First');
  const failures: unknown[] = [];
  const changed = new Promise<readonly LoggedChange[] | null>((resolve) => {
    const follower = new LogFollower(
      store,
      { changed: (_, changes) => resolve(changes), failed: (error) => failures.push(error) },
      1,
    );
    follower.startAt(tenant, other.log.head(tenant));
  });
  await commit(tenant);
  tell(tenant);
  // The retry's timer does not keep a process alive.
  const alive = setInterval(() => undefined, 1_000);
  t.after(() => clearInterval(alive));
  assert.deepEqual(await changed, changesOf(tenant));
  assert.equal(failures.length, 2);
});

test('a follower reads again when the database that answered lacks what was heard of', async (t) => {
  const { store, other, newTenant, commit, tell } = await open(t, async () => undefined);
  const tenant = await newTenant('First');
  const failed = Promise.withResolvers<unknown>();
  const changed = new Promise<readonly LoggedChange[] | null>((resolve) => {
    const follower = new LogFollower(store, { changed: (_, changes) => resolve(changes), failed: failed.resolve }, 1);
    follower.startAt(tenant, other.log.head(tenant));
  });
  // As a pooler answers that still leads to a former primary server.
  store.noticed({ tenant, revision: other.log.head(tenant) + 1 });
  assert.match(String(await failed.promise), /lacks a revision/);
  const alive = setInterval(() => undefined, 1_000);
  t.after(() => clearInterval(alive));
  await commit(tenant);
  tell(tenant);
  assert.deepEqual(await changed, changesOf(tenant));
});

test('logs of several tenants that others write to while one is read are read together', async (t) => {
  const begun = Promise.withResolvers<void>();
  const released = Promise.withResolvers<void>();
  let answers = 0;
  const { store, other, newTenant, commit, tell } = await open(t, async () => {
    answers++;
    begun.resolve();
    await released.promise;
  });
  const tenants: string[] = [];
  for (let n = 0; n < 20; n++) tenants.push(await newTenant(`tenant ${n}`));
  const seen = new Map<string, (readonly LoggedChange[] | null)[]>();
  const all = Promise.withResolvers<void>();
  const follower = new LogFollower(store, {
    changed: (tenant, changes) => {
      seen.set(tenant, [...(seen.get(tenant) ?? []), changes]);
      if (seen.size === tenants.length) all.resolve();
    },
    failed: all.reject,
  });
  const change = async (tenant: string) => {
    await commit(tenant);
    tell(tenant);
  };
  for (const tenant of tenants) follower.startAt(tenant, other.log.head(tenant));
  const [first = '', ...others] = tenants;
  await change(first);
  await begun.promise;
  for (const tenant of others) await change(tenant);
  for (const tenant of others) await change(tenant);
  released.resolve();
  await all.promise;
  assert.equal(answers, 1 + 3, '19 logs in statements of 16, 2 and 1');
  assert.deepEqual(seen.get(first), [changesOf(first)]);
  for (const tenant of others)
    assert.deepEqual(
      seen.get(tenant)?.[0],
      [...changesOf(tenant), ...changesOf(tenant)],
      'both of its revisions, in order',
    );
});

test('nothing is read of tenants that are not followed, and nothing is missed of those that are', async (t) => {
  let answers = 0;
  const { own, store, other, newTenant, commit, tell } = await open(t, async () => void answers++);
  const reported: [string, readonly LoggedChange[] | null][] = [];
  const follower = new LogFollower(store, {
    changed: (tenant, changes) => reported.push([tenant, changes]),
    failed: (error) => assert.fail(String(error)),
  });
  const tenant = await newTenant('First');
  const revision = other.log.head(tenant);
  const change = async () => {
    await commit(tenant);
    tell(tenant);
  };
  const settle = async (count: number) => {
    for (let turns = 0; turns < 500 && reported.length < count; turns++) await turn();
  };
  await change();
  await change();
  await settle(3);
  assert.deepEqual(reported, [
    [tenant, null],
    [tenant, null],
  ]);
  assert.equal(answers, 0);

  // The consumer has read something before the two commits, and hears of it after them.
  assert.equal(follower.startAt(tenant, revision), true);
  await settle(3);
  assert.deepEqual(reported[2], [tenant, [...changesOf(tenant), ...changesOf(tenant)]]);
  assert.equal(answers, 1);
  assert.equal(follower.startAt(tenant, revision), false, 'it must read again');
  assert.equal(follower.startAt(tenant, revision + 2), true);

  follower.stop(tenant);
  await change();
  await settle(5);
  assert.deepEqual(reported.slice(3), [[tenant, null]]);
  assert.equal(answers, 1);
  const unheard = await newTenant('Second');
  follower.startAt(unheard, other.log.head(unheard));
  assert.equal(own.log.head(unheard), other.log.head(unheard), 'others look whether it has later ones');
});
