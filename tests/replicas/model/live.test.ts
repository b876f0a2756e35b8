import assert from 'node:assert/strict';
import { test } from 'node:test';
import { freshDatabase, serverOfFile } from '../fixtures.ts';
import { LiveSurroundings } from './live.ts';
import { runModel } from './model.ts';

const postgres = serverOfFile();

/** A short one. `npm run sim -- --real` and `npm run test:replicas` have longer ones. */
test('two replicas with real notifications keep what they promise while sessions of the database end (seed 1)', async (t) => {
  const place = await freshDatabase(postgres.server);
  const surroundings = new LiveSurroundings(postgres.server, place, 2);
  const { writes, kinds, connections } = await runModel(t, { surroundings, seed: 1, steps: 25 });
  assert.ok(writes > 10 && kinds.size > 1, `${writes} writes, failures: ${[...kinds]}`);
  assert.ok(connections >= 2, 'a client follows the changes of each tenant');
});
