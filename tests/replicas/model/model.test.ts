import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Cleanup, PostgresServer } from '@sallyport/testkit';
import { clonePostgres } from '../../../apps/controller/src/testing/postgres.ts';
import { runModel } from './model.ts';

const cleanup = new Cleanup();
let server: PostgresServer;
before(async () => {
  server = await PostgresServer.start(cleanup);
});
after(() => cleanup.run());

/** Two thousand steps, in histories that end at different places. `npm run sim` goes on from there. */
const histories = [
  { seed: 1, replicas: 2 },
  { seed: 2, replicas: 3 },
  { seed: 3, replicas: 4 },
  { seed: 4, replicas: 3 },
];
const steps = 500;

for (const { seed, replicas } of histories)
  test(`${replicas} replicas keep every acknowledged write, and every agent in the state of its rows (seed ${seed})`, async (t) => {
    const { db, place, remove } = await clonePostgres(server.url());
    await db.destroy();
    cleanup.add(remove);
    const { writes, kinds } = await runModel(t, { url: server.url(place.database), replicas, seed, steps });
    t.diagnostic(`${writes} writes, ${kinds.size} kinds of failures`);
    assert.ok(writes > steps / 2 && kinds.size > 9, `${writes} writes, failures: ${[...kinds]}`);
  });
