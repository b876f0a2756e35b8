import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openTestApp } from '../testing/harness.ts';
import { takeMark } from './commit-marks.ts';
import { unscoped } from './scoped.ts';

test('marks of old transactions go with maintenance, and new ones stay', async (t) => {
  const app = await openTestApp(t);
  const { db } = app.store;
  await takeMark(db, 'old', app.store.now() - 2 * 3_600_000);
  await takeMark(db, 'new', app.store.now());
  await app.app.maintain();
  const marks = await unscoped(db, 'marks belong to no tenant').selectFrom('commit_marks').select('id').execute();
  assert.ok(!marks.some(({ id }) => id === 'old'));
  assert.ok(marks.some(({ id }) => id === 'new'));
});
