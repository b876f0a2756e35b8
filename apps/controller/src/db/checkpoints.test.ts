import assert from 'node:assert/strict';
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { testFolder } from '../testing/controller-process.ts';
import { checkpointWhenIdle } from './checkpoints.ts';
import { openDatabase } from './open.ts';

test('soon after a write, the database file alone contains it', async (t) => {
  const folder = testFolder(t);
  const file = join(folder, 'sallyport.db');
  const db = openDatabase(file);
  const stop = checkpointWhenIdle(db, (error) => assert.fail(String(error)));
  t.after(async () => {
    await stop();
    await db.destroy();
  });
  const has = (key: string): boolean => {
    const copy = join(folder, 'copy.db');
    copyFileSync(file, copy);
    const raw = new DatabaseSync(copy);
    try {
      return raw.prepare('SELECT 1 FROM meta WHERE key = ?').get(key) !== undefined;
    } catch {
      // The tables themselves stand in the log.
      return false;
    } finally {
      raw.close();
    }
  };
  for (const key of ['first', 'second']) {
    await db.insertInto('meta').values({ key, value: '' }).execute();
    for (const deadline = Date.now() + 30_000; !has(key); await pause(50))
      assert.ok(Date.now() < deadline, `${key} is in the file`);
  }
});
