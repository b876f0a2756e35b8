import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inSlices, takeSlice } from './slices.ts';

/** Items that take a millisecond each by `clock`; null where nothing was found. */
function* slow<T>(items: readonly (T | null)[], clock: { now: number }): Generator<T | null> {
  for (const item of items) {
    clock.now += 1;
    yield item;
  }
}

test('a long work lets others run between its slices, also while it finds nothing', async () => {
  const clock = { now: 0 };
  let others = 0;
  let over = false;
  const other = () => {
    others++;
    if (!over) setImmediate(other);
  };
  setImmediate(other);
  const batches: number[][] = [];
  const items = Array.from({ length: 100 }, (_, n) => (n % 50 === 49 ? n : null));
  for await (const batch of inSlices(slow(items, clock), () => clock.now)) batches.push(batch);
  over = true;
  assert.deepEqual(batches.flat(), [49, 99]);
  assert.ok(batches.length >= 5 && batches.some((batch) => batch.length === 0));
  assert.ok(others >= batches.length - 1, `${others} turns for others`);
});

test('short works come in one batch, and nothing comes of nothing', async () => {
  const all = async (items: (number | null)[]) => {
    const batches = [];
    for await (const batch of inSlices(items, () => 0)) batches.push(batch);
    return batches;
  };
  assert.deepEqual(await all([1, null, 2]), [[1, 2]]);
  assert.deepEqual(await all([]), []);
  const many = Array.from({ length: 1200 }, (_, n) => n);
  const batches = await all(many);
  assert.deepEqual(batches.flat(), many);
  assert.ok(batches.every(({ length }) => length <= 500));
});

test('a slice ends with its time or with the work', (t) => {
  let now = 0;
  t.mock.method(performance, 'now', () => now);
  function* work() {
    for (let step = 0; step < 10; step++) {
      now += 3;
      yield null;
    }
    return 'done';
  }
  const steps = work();
  assert.deepEqual(takeSlice(steps), { done: false, value: null });
  assert.equal(now, 9, 'the third step passed the end of the slice');
  takeSlice(steps);
  takeSlice(steps);
  assert.deepEqual(takeSlice(steps), { done: true, value: 'done' });
});
