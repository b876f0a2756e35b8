import assert from 'node:assert/strict';
import { test } from 'node:test';
import { within } from './index.ts';

const never = new Promise<string>(() => {});

test('work that ends in time returns its result or its failure', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  assert.equal(await within(Promise.resolve('done'), 1000), 'done');
  await assert.rejects(within(Promise.reject(new Error('broken')), 1000), /broken/);
});

test('work that does not end in time returns null', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  let over = false;
  const waiting = within(never, 1000).then((result) => {
    over = true;
    return result;
  });
  t.mock.timers.tick(999);
  await Promise.resolve();
  assert.equal(over, false);
  t.mock.timers.tick(1);
  assert.equal(await waiting, null);
});
