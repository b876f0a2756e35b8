import assert from 'node:assert/strict';
import { test } from 'node:test';
import { freshDatabase, serverOfFile } from '../fixtures.ts';
import { LiveSurroundings } from '../model/live.ts';
import { runModel } from '../model/model.ts';

const postgres = serverOfFile();

for (const { seed, replicas } of [
  { seed: 11, replicas: 2 },
  { seed: 12, replicas: 3 },
  { seed: 13, replicas: 4 },
])
  test(`${replicas} replicas with real notifications keep what they promise (seed ${seed})`, async (t) => {
    const place = await freshDatabase(postgres.server);
    const surroundings = new LiveSurroundings(postgres.server, place, replicas);
    const outcome = await runModel(t, { surroundings, seed, steps: 300 });
    t.diagnostic(`${outcome.writes} writes, ${outcome.unknown} without an answer, ${[...outcome.kinds].join(', ')}`);
    for (const kind of ['sessions of the database ended', 'database restarted', 'controller killed'])
      assert.ok(outcome.kinds.has(kind), `the history has: ${kind}`);
  });
