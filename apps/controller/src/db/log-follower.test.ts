import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createTenant } from '../features/tenants/commands.ts';
import { openTestStore } from '../testing/harness.ts';
import { bySystem } from './contexts.ts';
import { LogFollower } from './log-follower.ts';
import { DatabaseUnavailable } from './postgres/failures.ts';
import { createStore, type LoggedChange } from './store.ts';

test('a follower that could not read the log tries again, without another notice', async (t) => {
  const store = await openTestStore(t);
  // Commits of another process.
  const other = createStore(store.db, store.now);
  const { tenant } = await createTenant(other, { kind: 'system', id: null, name: 'test' }, 'First');
  let fails = 2;
  const flaky = {
    ...store,
    read: (work: Parameters<typeof store.read>[0]) =>
      fails-- > 0 ? Promise.reject(new DatabaseUnavailable()) : store.read(work),
  } as typeof store;
  const failures: unknown[] = [];
  const changed = new Promise<readonly LoggedChange[] | null>((resolve) => {
    const follower = new LogFollower(
      flaky,
      { changed: (_, changes) => resolve(changes), failed: (error) => failures.push(error) },
      1,
    );
    follower.startAt(tenant.id, other.log.head(tenant.id));
  });
  await other.write(bySystem(tenant.id, 'test'), async (tx) => {
    tx.changed({ kind: 'protocol', id: 'p', op: 'update' });
  });
  store.noticed({ tenant: tenant.id, revision: other.log.head(tenant.id) });
  // The retry's timer does not keep a process alive.
  const alive = setInterval(() => undefined, 1_000);
  t.after(() => clearInterval(alive));
  assert.deepEqual(await changed, [{ kind: 'protocol', id: 'p', op: 'update' }]);
  assert.equal(failures.length, 2);
});

test('logs of several tenants that others write to while one is read are read together', async (t) => {
  const store = await openTestStore(t);
  const other = createStore(store.db, store.now);
  const tenants: string[] = [];
  for (let n = 0; n < 20; n++) {
    const { tenant } = await createTenant(other, { kind: 'system', id: null, name: 'test' }, `tenant ${n}`);
    tenants.push(tenant.id);
  }
  const begun = Promise.withResolvers<void>();
  const released = Promise.withResolvers<void>();
  let reads = 0;
  const slow = {
    ...store,
    read: async (work: Parameters<typeof store.read>[0]) => {
      reads++;
      begun.resolve();
      await released.promise;
      return store.read(work);
    },
  } as typeof store;
  const seen = new Map<string, (readonly LoggedChange[] | null)[]>();
  const all = Promise.withResolvers<void>();
  const follower = new LogFollower(slow, {
    changed: (tenant, changes) => {
      seen.set(tenant, [...(seen.get(tenant) ?? []), changes]);
      if (seen.size === tenants.length) all.resolve();
    },
    failed: all.reject,
  });
  const change = async (tenant: string) => {
    await other.write(bySystem(tenant, 'test'), async (tx) => {
      tx.changed({ kind: 'protocol', id: 'p', op: 'update' });
      tx.changed({ kind: 'group', id: tenant, op: 'create' });
    });
    store.noticed({ tenant, revision: other.log.head(tenant) });
  };
  for (const tenant of tenants) follower.startAt(tenant, other.log.head(tenant));
  const [first = '', ...others] = tenants;
  await change(first);
  await begun.promise;
  for (const tenant of others) await change(tenant);
  for (const tenant of others) await change(tenant);
  released.resolve();
  await all.promise;
  assert.equal(reads, 2);
  const both = (tenant: string): LoggedChange[] => [
    { kind: 'protocol', id: 'p', op: 'update' },
    { kind: 'group', id: tenant, op: 'create' },
  ];
  assert.deepEqual(seen.get(first), [both(first)]);
  for (const tenant of others)
    assert.deepEqual(seen.get(tenant)?.[0], [...both(tenant), ...both(tenant)], 'both of its revisions, in order');
});
