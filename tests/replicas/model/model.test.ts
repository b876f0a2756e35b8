import assert from 'node:assert/strict';
import { test } from 'node:test';
import { freshDatabase, serverOfFile } from '../fixtures.ts';
import { runModel } from './model.ts';
import { SimulatedSurroundings } from './simulated.ts';

const postgres = serverOfFile();

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
    const place = await freshDatabase(postgres.server);
    const surroundings = new SimulatedSurroundings(postgres.server.url(place.database), replicas);
    const { writes, kinds } = await runModel(t, { surroundings, seed, steps });
    t.diagnostic(`${writes} writes, ${kinds.size} kinds of failures`);
    assert.ok(writes > steps / 2 && kinds.size > 9, `${writes} writes, failures: ${[...kinds]}`);
  });
