import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FlowEnder } from './flows.ts';

test('flows end one after another, each pair once, and a failure does not stop the others', async () => {
  const ended: string[] = [];
  const failures: string[] = [];
  let running = 0;
  let most = 0;
  const flows = new FlowEnder({
    end: async (virtual, real) => {
      running += 1;
      most = Math.max(most, running);
      await new Promise((resolve) => setImmediate(resolve));
      running -= 1;
      if (real.startsWith('bad')) throw new Error(real);
      ended.push(`${virtual} ${real}`);
    },
    failed: (error) => failures.push((error as Error).message),
  });
  for (const real of ['a', 'b', 'b', 'bad1', 'bad2', 'c', 'bad3']) flows.end('v', real);
  await flows.settled();
  assert.deepEqual(ended, ['v a', 'v b', 'v c']);
  assert.deepEqual(failures, ['bad1', 'bad3']);
  assert.equal(most, 1);
  flows.end('v', 'a');
  await flows.settled();
  assert.equal(ended.length, 4);
});
