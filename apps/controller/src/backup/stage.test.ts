import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type TestContext, test } from 'node:test';
import { openDatabase } from '../db/open.ts';
import { createStore } from '../db/store.ts';
import { createSecretBox } from '../secrets/box.ts';
import { loadIdentity } from '../secrets/identity.ts';
import { testFolder } from '../testing/controller-process.ts';
import { type Entry, packArchive } from './archive.ts';
import { seal } from './container.ts';
import { markAsCopy } from './marker.ts';
import { stage } from './stage.ts';

const masterKey = randomBytes(32);

/** A copy of a database with an identity. `change` works on the copy. */
async function copyOf(t: TestContext, change: (copy: DatabaseSync) => void): Promise<string> {
  const folder = testFolder(t);
  const database = openDatabase(join(folder, 'sallyport.db'));
  const store = createStore(database, Date.now);
  await loadIdentity(store, createSecretBox(masterKey));
  await store.close();
  const file = join(folder, 'copy.db');
  copyFileSync(join(folder, 'sallyport.db'), file);
  const copy = new DatabaseSync(file);
  markAsCopy(copy, '2026-11-29T12:00:00.000Z');
  change(copy);
  copy.close();
  return file;
}

function entry(name: Entry['name'], bytes: Buffer): Entry {
  return {
    name,
    size: bytes.length,
    content: async function* () {
      yield bytes;
    },
  };
}

const keyEntry = (key: Buffer) => entry('master.key', Buffer.from(`${key.toString('hex')}\n`));
const about = { createdAt: '2026-11-29T12:00:00.000Z', version: '0.1.0' };

function staged(t: TestContext, entries: readonly Entry[]) {
  const { pieces } = packArchive(about, entries);
  return stage(seal(pieces, null), testFolder(t), () => assert.fail('it is plain'));
}

test('a backup whose database cannot be used by this version is refused in words', async (t) => {
  const nothing = (): void => undefined;
  const sound = readFileSync(await copyOf(t, nothing));
  const database = (bytes: Buffer) => entry('sallyport.db', bytes);
  const contents = await staged(t, [database(sound), keyEntry(masterKey)]);
  assert.deepEqual([contents.tenants, contents.encrypted, contents.createdAt], [[], false, about.createdAt]);

  const newer = await copyOf(t, (copy) => copy.exec("INSERT INTO migrations VALUES ('9999-future.sql', 0)"));
  const unmarked = await copyOf(t, (copy) => copy.exec("DELETE FROM meta WHERE key = 'copied_at'"));
  const holed = Buffer.from(sound);
  randomBytes(3 * 4096).copy(holed, 4096);
  const short = join(testFolder(t), 'short');
  writeFileSync(short, 'no database');
  const cases: readonly (readonly [readonly Entry[], RegExp])[] = [
    [[database(readFileSync(newer)), keyEntry(masterKey)], /made by a newer version of Sallyport \(9999-future\.sql\)/],
    [[database(sound), keyEntry(randomBytes(32))], /the master key in the backup does not fit its database/],
    [[database(sound), entry('master.key', Buffer.from('short'))], /must hold 64 hexadecimal digits/],
    [[database(sound)], /there is no master\.key in the backup/],
    [[keyEntry(masterKey)], /there is no sallyport\.db in the backup/],
    [[database(readFileSync(unmarked)), keyEntry(masterKey)], /is not marked as a copy/],
    [[database(holed), keyEntry(masterKey)], /the database in the backup is damaged/],
    [[database(readFileSync(short)), keyEntry(masterKey)], /the database in the backup is damaged/],
  ];
  for (const [entries, message] of cases) await assert.rejects(staged(t, entries), { name: 'OperatorError', message });
});
