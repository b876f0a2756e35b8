import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Cleanup } from './cleanup.ts';

test('steps run from the last to the first, also after one that fails', async () => {
  const cleanup = new Cleanup();
  const done: number[] = [];
  cleanup.add(() => void done.push(1));
  cleanup.add(() => {
    throw new Error('second');
  });
  cleanup.add(() => void done.push(3));
  await assert.rejects(cleanup.run(), /second/);
  assert.deepEqual(done, [3, 1]);
});

test('a second run waits for the steps of the first one', async () => {
  const cleanup = new Cleanup();
  let removed = false;
  cleanup.add(async () => {
    await new Promise((resolve) => setImmediate(resolve));
    removed = true;
  });
  void cleanup.run();
  await cleanup.run();
  assert.ok(removed);
});
