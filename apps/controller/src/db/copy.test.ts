import assert from 'node:assert/strict';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { testFolder } from '../testing/controller-process.ts';
import { openDatabase } from './open.ts';

const value = 'x'.repeat(100_000);

test('a copy of a database in use holds what was committed, and writes go on while it is made', async (t) => {
  const folder = testFolder(t);
  const db = openDatabase(join(folder, 'sallyport.db'));
  t.after(() => db.destroy());
  const write = (key: string) => db.insertInto('meta').values({ key, value }).execute();
  for (let n = 0; n < 100; n++) await write(`before ${n}`);
  let copied = false;
  const file = join(folder, 'copy');
  const copying = db.copyTo(file, { signal: new AbortController().signal }).then(() => {
    copied = true;
  });
  let meanwhile = 0;
  while (!copied) {
    await write(`meanwhile ${meanwhile++}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
  await copying;
  assert.ok(meanwhile > 1, 'writes were answered before the copy had ended');
  assert.equal(statSync(file).mode & 0o777, 0o600);
  const copy = new DatabaseSync(file);
  t.after(() => copy.close());
  assert.equal(copy.prepare('PRAGMA integrity_check').get()?.integrity_check, 'ok');
  const count = (pattern: string) =>
    Number(copy.prepare('SELECT count(*) AS n FROM meta WHERE key LIKE ?').get(pattern)?.n);
  assert.equal(count('before %'), 100);
  const seen = copy
    .prepare("SELECT key FROM meta WHERE key LIKE 'meanwhile %'")
    .all()
    .map(({ key }) => Number(String(key).split(' ')[1]));
  assert.deepEqual(
    seen.sort((a, b) => a - b),
    [...Array(seen.length).keys()],
    'a moment, not a mixture',
  );
});

test('a copy that is stopped ends, and the database goes on', async (t) => {
  const folder = testFolder(t);
  const db = openDatabase(join(folder, 'sallyport.db'));
  t.after(() => db.destroy());
  for (let n = 0; n < 50; n++)
    await db
      .insertInto('meta')
      .values({ key: `${n}`, value })
      .execute();
  const stop = new AbortController();
  const copying = db.copyTo(join(folder, 'copy'), { signal: stop.signal });
  stop.abort(new Error('enough'));
  await assert.rejects(copying, /enough/);
  await db.insertInto('meta').values({ key: 'after', value }).execute();
  await assert.rejects(db.copyTo(join(folder, 'copy'), { signal: new AbortController().signal }), /EEXIST/);
});
