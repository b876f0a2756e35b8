import assert from 'node:assert/strict';
import { test } from 'node:test';
import { guarded, occasionally } from './guard.ts';

test('the guard receives errors that a callback throws or rejects with', async () => {
  const failures: unknown[] = [];
  const failed = (error: unknown) => void failures.push(error);
  const cause = new Error('cause');
  guarded(failed, (given: Error) => {
    throw given;
  })(cause);
  guarded(failed, async () => {
    throw cause;
  })();
  guarded(failed, async () => 'fine')();
  guarded(failed, () => 'fine')();
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(failures, [cause, cause]);
});

test('the first of many failures is reported at once, later ones with their number', () => {
  let now = 0;
  const told: unknown[] = [];
  const failed = occasionally(
    (error, before) => told.push([error, before]),
    () => now,
    100,
  );
  for (now = 0; now < 250; now += 10) failed(now);
  assert.deepEqual(told, [
    [0, 0],
    [100, 9],
    [200, 9],
  ]);
});
