import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { StateItem } from '@sallyport/contract/channel';
import fc from 'fast-check';
import { openTestApp } from '../testing/harness.ts';
import { ClockTimers } from './testing/clock-timers.ts';
import { Follower, freshRuntimes } from './testing/follower.ts';
import { RandomTenant } from './testing/random-tenant.ts';

async function start(t: TestContext) {
  const timers = new ClockTimers();
  const app = await openTestApp(t, { timers });
  timers.clock = app.clock;
  const tenant = new RandomTenant(app, timers);
  await tenant.fill();
  const followers = await Promise.all(
    [...tenant.gateways, ...tenant.natives].map(async (id) => {
      const state = await app.parts.states.current(id);
      assert.ok(state !== null);
      const follower = new Follower(t, app.parts.states, id, state);
      // From here on it is followed, and kept up.
      await app.parts.states.current(id);
      return { id, follower };
    }),
  );
  return { app, tenant, followers };
}

const sorted = (items: readonly StateItem[]) => items.toSorted((a, b) => (a.key < b.key ? -1 : 1));

test('after any writes, moves and passing time, states equal those of a fresh compile', async (t) => {
  const names = Object.keys((await start(t)).tenant.steps) as (keyof RandomTenant['steps'])[];
  const step = fc.tuple(fc.constantFrom(...names), fc.nat(60), fc.nat(60));
  let kinds = new Set<string>();
  const property = fc.asyncProperty(fc.array(step, { minLength: 15, maxLength: 30 }), async (steps) => {
    const { app, tenant, followers } = await start(t);
    for (const [name, a, b] of steps) {
      await tenant.steps[name](a, b);
      const fresh = freshRuntimes(app);
      for (const { id, follower } of followers) {
        const state = await app.parts.states.current(id);
        if (state === null) {
          assert.ok(
            follower.changes.some(({ kind }) => kind === 'deleted'),
            `${name}: a device went with its owner`,
          );
          continue;
        }
        const expected = (await fresh.current(id))?.items() ?? [];
        assert.deepEqual(sorted(follower.items), sorted(expected), name);
        assert.equal(follower.hash, state.hash);
        kinds = kinds.union(new Set(expected.map(({ kind }) => kind)));
      }
    }
  });
  const wanted = ['device', 'site', 'profile', 'client', 'peer', 'route', 'resource'];
  // Chance may leave a kind out of a few runs, not out of many.
  for (let batch = 0; batch < 6 && (batch === 0 || !wanted.every((kind) => kinds.has(kind))); batch++)
    await fc.assert(property, { numRuns: 8, endOnFailure: true });
  for (const kind of wanted) assert.ok(kinds.has(kind), `some state has had a ${kind}`);
});
