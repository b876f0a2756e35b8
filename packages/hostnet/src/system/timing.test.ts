import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { catchUp } from './timing.ts';

describe('timeouts that the kernel took late', () => {
  /** Commits with the given durations. The first one is the change itself. */
  async function caughtUp(durations: readonly number[], lasting = durations.length): Promise<number[]> {
    let now = 1_000;
    const set: number[] = [];
    now += durations[0] ?? 0;
    await catchUp(
      () => now,
      1_000,
      async (at) => {
        set.push(at);
        now += durations[set.length] ?? 0;
        return set.length < lasting;
      },
    );
    return set;
  }

  it('are set again from the current time, until the kernel takes them promptly', async () => {
    assert.deepEqual(await caughtUp([20]), []);
    assert.deepEqual(await caughtUp([500, 15]), [1_500]);
    assert.deepEqual(await caughtUp([500, 100, 10]), [1_500, 1_600]);
  });

  it('are not set again when that gains little or no timeouts exist', async () => {
    assert.deepEqual(await caughtUp([500, 490, 10]), [1_500]);
    assert.deepEqual(await caughtUp([500, 100, 10], 1), [1_500]);
  });
});
