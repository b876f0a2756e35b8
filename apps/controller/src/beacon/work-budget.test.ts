import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WorkBudget } from './work-budget.ts';

test('work may run ahead by a burst and then gets its share of the time, not more', () => {
  const budget = new WorkBudget(0.2, 100);
  let worked = 0;
  for (let now = 0; now < 10_000; now++) {
    if (!budget.admits(now)) continue;
    budget.spent(1);
    worked++;
  }
  assert.ok(worked >= 2_000 && worked <= 2_101, `${worked} ms of 10 s`);
  assert.ok(budget.admits(20_000), 'idle time is made up for');
  budget.spent(1e6);
  assert.ok(!budget.admits(20_001));
});
