import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, createReadStream, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type TestContext, test } from 'node:test';
import { upgradeFolder } from './backup/before-upgrade.ts';
import { restore } from './backup/restore.ts';
import { openDataDirectory } from './data-directory.ts';
import { type Migrations, ownMigrations } from './db/schema-versions.ts';
import { createStore } from './db/store.ts';
import { createSecretBox } from './secrets/box.ts';
import { loadIdentity } from './secrets/identity.ts';
import { testFolder } from './testing/controller-process.ts';

/** A folder of migrations: those of this program, and more. */
function program(t: TestContext, version: string, more: Readonly<Record<string, string>> = {}): Migrations {
  const folder = testFolder(t);
  for (const name of readdirSync(ownMigrations.folder))
    copyFileSync(join(ownMigrations.folder, name), join(folder, name));
  for (const [name, text] of Object.entries(more)) writeFileSync(join(folder, name), text);
  return { folder, version };
}

const configOf = (dataDir: string) => ({ dataDir, masterKey: { file: join(dataDir, 'master.key'), mayCreate: true } });

/** Starts a program with a data directory, notes a value in the database, and ends. */
async function use(dataDir: string, migrations: Migrations, value: string) {
  const { database, masterKeys, settle, upgrade } = await openDataDirectory(configOf(dataDir), migrations);
  const store = createStore(database, Date.now);
  try {
    await loadIdentity(store, createSecretBox(...masterKeys));
    settle();
    await database
      .insertInto('meta')
      .values({ key: `test ${value}`, value })
      .execute();
    return upgrade;
  } finally {
    await store.close();
  }
}

function tablesAndNotes(dataDir: string) {
  const database = new DatabaseSync(join(dataDir, 'sallyport.db'));
  const texts = (query: string) =>
    database
      .prepare(query)
      .all()
      .map((row) => String(Object.values(row)[0]));
  const found = {
    tables: texts("SELECT name FROM sqlite_schema WHERE name LIKE 'added%' ORDER BY name"),
    notes: texts("SELECT value FROM meta WHERE key LIKE 'test %' ORDER BY value"),
    migrations: texts("SELECT name FROM migrations WHERE name > '9' ORDER BY name"),
  };
  database.close();
  return found;
}

const backupsIn = (dataDir: string): string[] => readdirSync(join(dataDir, upgradeFolder)).sort();

test('an upgrade makes a backup first, which the older program restores with the master key', async (t) => {
  const dataDir = testFolder(t);
  const older = program(t, '1.0.0');
  assert.equal(await use(dataDir, older, 'by 1.0.0'), null);
  const newer = program(t, '1.1.0', { '9000-added.sql': 'CREATE TABLE added (id TEXT) STRICT;' });
  const upgrade = await use(dataDir, newer, 'by 1.1.0');
  assert.deepEqual([upgrade?.from, upgrade?.to], ['1.0.0', '1.1.0']);
  const [name = ''] = backupsIn(dataDir);
  assert.match(name, /^from-1\.0\.0-to-1\.1\.0-.*\.backup$/);
  assert.equal(upgrade?.backup, join(dataDir, upgradeFolder, name));
  assert.equal(statSync(upgrade.backup).mode & 0o777, 0o600);
  const key = readFileSync(join(dataDir, 'master.key'), 'utf8').trim();
  assert.equal(readFileSync(upgrade.backup).includes(key), false, 'the file gives the key away');
  assert.equal(await use(dataDir, newer, 'again'), null, 'nothing to migrate, so no backup');

  await assert.rejects(use(dataDir, older, 'x'), {
    name: 'OperatorError',
    message:
      /newer version of Sallyport \(1\.1\.0, 9000-added\.sql\): start version 1\.1\.0 or newer.*sally operator restore/,
  });
  const options = { dataDir, masterKeyFile: null, replace: true, now: new Date() };
  const restored = await restore(createReadStream(upgrade.backup), options, async () => key);
  assert.equal(restored.contents.encrypted, true);
  assert.equal(await use(dataDir, older, 'after the return'), null);
  assert.deepEqual(tablesAndNotes(dataDir), { tables: [], notes: ['after the return', 'by 1.0.0'], migrations: [] });
});

test('an older program starts on a newer schema whose migrations all name it as able to use them', async (t) => {
  const dataDir = testFolder(t);
  const older = program(t, '1.0.0');
  await use(dataDir, older, 'by 1.0.0');
  const mild = { '9000-added.sql': '-- Oldest program: 1.0.0\nCREATE TABLE added (id TEXT) STRICT;' };
  await use(dataDir, program(t, '1.1.0', mild), 'by 1.1.0');
  assert.equal(await use(dataDir, older, 'older again'), null);
  await assert.rejects(use(dataDir, { ...older, version: '0.9.0' }, 'x'), /start version 1\.0\.0 or newer/);
  const strict = { ...mild, '9001-added.sql': 'CREATE TABLE added_later (id TEXT) STRICT;' };
  await use(dataDir, program(t, '1.2.0', strict), 'by 1.2.0');
  await assert.rejects(use(dataDir, older, 'x'), /1\.2\.0/);
});

test('backups of the last three upgrades are kept, one for each', async (t) => {
  const dataDir = testFolder(t);
  const more: Record<string, string> = {};
  await use(dataDir, program(t, '1.0.0'), '0');
  for (const minor of [1, 2, 3, 4]) {
    more[`900${minor}-added.sql`] = `CREATE TABLE added_${minor} (id TEXT) STRICT;`;
    const broken = { ...more, '9900-broken.sql': 'SELECT no_such_function();' };
    for (let attempt = 0; attempt < (minor === 2 ? 2 : 0); attempt++)
      await assert.rejects(use(dataDir, program(t, `1.${minor}.0`, broken), 'x'), /9900-broken\.sql failed/);
    await use(dataDir, program(t, `1.${minor}.0`, more), String(minor));
  }
  assert.deepEqual(
    backupsIn(dataDir).map((name) => name.slice(0, 'from-1.0.0-to-1.1.0'.length)),
    ['from-1.1.0-to-1.2.0', 'from-1.2.0-to-1.3.0', 'from-1.3.0-to-1.4.0'],
  );
  assert.deepEqual(tablesAndNotes(dataDir).tables, ['added_1', 'added_2', 'added_3', 'added_4']);
});

test('a program that is killed between two migrations leaves the older schema, and the next start ends the upgrade', async (t) => {
  const dataDir = testFolder(t);
  const older = program(t, '1.0.0');
  await use(dataDir, older, 'by 1.0.0');
  const texts = {
    '9000-added.sql': 'CREATE TABLE added (id TEXT) STRICT; CREATE TABLE added_beside (id TEXT) STRICT;',
    '9001-added.sql': 'CREATE TABLE added_later AS SELECT wait_for_the_end();',
  };
  await killedInMigration(t, dataDir, program(t, '1.1.0', texts));
  assert.deepEqual(tablesAndNotes(dataDir), { tables: [], notes: ['by 1.0.0'], migrations: [] });
  assert.equal(await use(dataDir, older, 'older after the kill'), null);
  const whole = program(t, '1.1.0', { ...texts, '9001-added.sql': 'CREATE TABLE added_later (id TEXT) STRICT;' });
  assert.equal((await use(dataDir, whole, 'by 1.1.0'))?.from, '1.0.0');
  const { tables, notes, migrations } = tablesAndNotes(dataDir);
  assert.deepEqual(tables, ['added', 'added_beside', 'added_later']);
  assert.deepEqual(notes, ['by 1.0.0', 'by 1.1.0', 'older after the kill']);
  assert.deepEqual(migrations, ['9000-added.sql', '9001-added.sql']);
});

/** Migrates in another process, and kills that process while its last migration runs. */
async function killedInMigration(t: TestContext, dataDir: string, migrations: Migrations): Promise<void> {
  const script = `
    import { writeSync } from 'node:fs';
    import { DatabaseSync } from 'node:sqlite';
    const { migrate } = await import(${JSON.stringify(import.meta.resolve('./db/migrate.ts'))});
    const database = new DatabaseSync(${JSON.stringify(join(dataDir, 'sallyport.db'))});
    database.exec('PRAGMA journal_mode = WAL; PRAGMA cache_size = 1; PRAGMA cache_spill = 1');
    database.function('wait_for_the_end', () => {
      writeSync(1, 'in the migration');
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
    });
    migrate(database, ${JSON.stringify(migrations)});`;
  const child: ChildProcess = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.after(() => child.kill('SIGKILL'));
  assert.ok(child.stdout);
  const [said] = (await once(child.stdout, 'data')) as [Buffer];
  assert.equal(said.toString(), 'in the migration');
  child.kill('SIGKILL');
  await once(child, 'exit');
}

test('a program that is killed during the backup changed nothing, and its leftovers go at the next start', async (t) => {
  const dataDir = testFolder(t);
  await use(dataDir, program(t, '1.0.0'), 'by 1.0.0');
  const folder = join(dataDir, upgradeFolder);
  mkdirSync(folder, { mode: 0o700 });
  writeFileSync(join(folder, '.from-1.0.0-to-1.1.0-x.backup.00000000.partial'), 'half');
  writeFileSync(join(dataDir, 'backup-000000000000.partial'), 'half');
  await use(dataDir, program(t, '1.1.0', { '9000-added.sql': 'CREATE TABLE added (id TEXT) STRICT;' }), 'by 1.1.0');
  assert.equal(backupsIn(dataDir).length, 1);
  assert.deepEqual(
    readdirSync(dataDir).filter((name) => name.endsWith('.partial')),
    [],
  );
});

test('an upgrade whose backup cannot be written changes nothing', async (t) => {
  const dataDir = testFolder(t);
  const older = program(t, '1.0.0');
  await use(dataDir, older, 'by 1.0.0');
  writeFileSync(join(dataDir, upgradeFolder), 'a file in the place of the folder');
  const newer = program(t, '1.1.0', { '9000-added.sql': 'CREATE TABLE added (id TEXT) STRICT;' });
  await assert.rejects(use(dataDir, newer, 'x'), { name: 'OperatorError', message: /before-upgrade cannot be made/ });
  assert.deepEqual(tablesAndNotes(dataDir), { tables: [], notes: ['by 1.0.0'], migrations: [] });
  assert.equal(await use(dataDir, older, 'again'), null);
});
