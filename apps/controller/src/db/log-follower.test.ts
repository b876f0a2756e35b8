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
