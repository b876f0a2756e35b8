import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Simulation } from './testing/simulation.ts';

/** Another seed than the fixed ones: `SALLYPORT_SEED=… node --test`. */
const seeds = process.env.SALLYPORT_SEED?.split(',').map(Number) ?? [1, 2, 3, 4, 5, 6, 7, 8];

for (const seed of seeds) {
  test(`controller, weather, crashes and time against the model, seed ${seed}`, () => {
    const simulation = new Simulation(seed);
    try {
      for (let episode = 0; episode < 12; episode++) {
        simulation.storm(150);
        simulation.calm();
      }
    } catch (error) {
      throw new Error(`seed ${seed}, step ${simulation.steps}: ${(error as Error).message}\n${simulation.trace()}`, {
        cause: error,
      });
    }
    assert.ok(simulation.applied > 50, `only ${simulation.applied} states were applied: the storm is too strong`);
    assert.ok(simulation.attacks > 50, 'the hostile messages were never delivered');
  });
}
