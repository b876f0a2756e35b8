import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { sql } from 'kysely';
import type { SealedColumn, StoredRow } from '../db/sealed.ts';
import { type Actor, createStore, type Store } from '../db/store.ts';
import { alone } from '../replicas/alone.ts';
import { createSecretBox, masterKeyName, type RotatingBox } from '../secrets/box.ts';
import { settleHashKey } from '../secrets/hash-key.ts';
import { loadIdentity } from '../secrets/identity.ts';
import { readMasterKeys, replaceMasterKeys } from '../secrets/master-key.ts';
import { testFolder } from '../testing/controller-process.ts';
import { openTestStore, testPostgres } from '../testing/harness.ts';
import { MasterKeyRotation } from './master-key.ts';
import { sealedPlaces } from './sealed-places.ts';

const operator: Actor = { kind: 'operator', id: null, name: 'operator' };
const rowsOfEach = 3;
/** Why these tests are not run on PostgreSQL. */
const skip = testPostgres === undefined ? false : 'rows are filled by what SQLite tells about its tables';

test('a rotation seals every secret again, and hashes stay', { skip }, async (t) => {
  const { store, file, box, old } = await sealedStore(t);
  const hash = box.keyedHash('token');
  const rotation = rotationOf(store, box, file);
  const before = await rotation.status();
  assert.equal(before.earlier, null);
  const total = before.secrets.current;
  assert.ok(total > (sealedPlaces.length - 1) * rowsOfEach, `${total}`);

  const rotated = await rotation.rotate(operator);
  assert.deepEqual(
    [rotated.earlier, rotated.secrets],
    [masterKeyName(old), { current: total, earlier: 0, unreadable: 0 }],
  );
  const [fresh] = readMasterKeys(file);
  assert.ok(fresh !== undefined && !fresh.equals(old));
  await assertReadable(store, createSecretBox(fresh));
  const again = createSecretBox(fresh);
  await settleHashKey(store, again);
  assert.equal(again.keyedHash('token'), hash);

  const { keptIn, ...finished } = await rotation.finish(operator);
  assert.deepEqual([finished.earlier, readMasterKeys(file)], [null, [fresh]]);
  assert.deepEqual(readMasterKeys(keptIn), [old]);
  await assert.rejects(rotation.finish(operator), /no master key is being replaced/);
});

test('a rotation that ends at any statement leaves every secret readable, and goes on', { skip }, async (t) => {
  const { store, file, old } = await sealedStore(t);
  let interrupted = 0;
  for (let after = 1; ; after++) {
    const keys = readMasterKeys(file);
    const box = createSecretBox(...keys);
    const done = await rotationOf(endingStore(store, after), box, file)
      .rotate(operator)
      .then(
        () => true,
        (error: unknown) => {
          assert.match(String(error), /the process ended/);
          return false;
        },
      );
    // What a restart finds: the key file and the database.
    const restarted = createSecretBox(...readMasterKeys(file));
    await assertReadable(store, restarted);
    await loadIdentity(store, restarted);
    if (done) break;
    interrupted++;
  }
  assert.ok(interrupted > 10, `${interrupted} interruptions`);
  const [fresh, last] = readMasterKeys(file);
  assert.ok(fresh !== undefined && last?.equals(old));
  await assertReadable(store, createSecretBox(fresh));
});

test('a file that was left half written is replaced, and a file of strangers is refused', { skip }, async (t) => {
  const { store, file, box } = await sealedStore(t);
  writeFileSync(`${file}.partial`, 'half');
  await rotationOf(store, box, file).rotate(operator);
  assert.deepEqual(readdirSync(join(file, '..')), ['master.key']);
  replaceMasterKeys(file, [randomBytes(32)]);
  await assert.rejects(
    rotationOf(store, box, file).rotate(operator),
    /does not hold the master key that this controller/,
  );
  const [key] = readMasterKeys(file);
  writeFileSync(file, `${key?.toString('hex')}\n`.repeat(2));
  assert.throws(() => readMasterKeys(file), /holds the same key twice/);
  writeFileSync(file, `${'ab'.repeat(32)}\n${'cd'.repeat(32)}\n${'ef'.repeat(32)}\n`);
  assert.throws(() => readMasterKeys(file), /in a second line at most/);
});

test('a key file that cannot be replaced stays, and the message says how to go on by hand', { skip }, async (t) => {
  const { store, file, box, old } = await sealedStore(t);
  mkdirSync(`${file}.partial`);
  await assert.rejects(rotationOf(store, box, file).rotate(operator), /cannot be replaced.*a first line above the old/);
  assert.deepEqual(readMasterKeys(file), [old]);
  await assertReadable(store, createSecretBox(old));
});

test('a key that the operator wrote above the old one is taken', { skip }, async (t) => {
  const { store, file, box, old } = await sealedStore(t);
  const own = randomBytes(32);
  writeFileSync(file, `${own.toString('hex')}\n${old.toString('hex')}\n`);
  const status = await rotationOf(store, box, file).rotate(operator);
  assert.equal(status.current, masterKeyName(own));
  await assertReadable(store, createSecretBox(own));
});

test('no rotation ends while a backup is made, and two do not work at once', { skip }, async (t) => {
  const { store, file, box } = await sealedStore(t);
  const busy = new MasterKeyRotation({
    ...{ store, box, file, replicas: alone('0.0.0', store.now) },
    whileNoBackup: async () => Promise.reject(new Error('a backup is being made')),
  });
  const [first, second] = await Promise.allSettled([busy.rotate(operator), busy.rotate(operator)]);
  assert.equal(first.status, 'fulfilled');
  assert.match(String(second.status === 'rejected' && second.reason.message), /another command works/);
  await assert.rejects(busy.finish(operator), /a backup is being made/);
  assert.equal(readMasterKeys(file).length, 2);
});

test('each tenant’s trail tells of the rotation and never holds a key', { skip }, async (t) => {
  const { store, file, box, tenant } = await sealedStore(t);
  await rotationOf(store, box, file).rotate(operator);
  await rotationOf(store, box, file).finish(operator);
  const events = await store.db.selectFrom('audit_events').selectAll().where('tenant_id', '=', tenant).execute();
  const actions = events.map(({ action }) => action).filter((action) => action.includes('master key'));
  assert.deepEqual(actions, ['rotate master key', 'finish rotation of master key']);
  assert.ok(!JSON.stringify(events).includes(readFileSync(file, 'utf8').trim()));
});

const rotationOf = (store: Store, box: RotatingBox, file: string) =>
  new MasterKeyRotation({ store, box, file, replicas: alone('0.0.0', store.now), whileNoBackup: (work) => work() });

/** A store with secrets in every place, and the file of the key that seals them. */
async function sealedStore(t: TestContext) {
  const store = await openTestStore(t);
  const old = randomBytes(32);
  const file = join(testFolder(t), 'master.key');
  replaceMasterKeys(file, [old]);
  const box = createSecretBox(old);
  await loadIdentity(store, box);
  await settleHashKey(store, box);
  await sql`PRAGMA foreign_keys = OFF`.execute(store.db);
  const tenant = '00000000-0000-7000-8000-000000000000';
  for (const place of sealedPlaces)
    if (place.table !== 'meta') for (let n = 0; n < rowsOfEach; n++) await insertRow(store, box, place, n);
  await insert(store, 'tenants', { id: tenant, name: 'first', revision: 0 });
  return { store, file, box, old, tenant };
}

/** Adds a row with a sealed value; every other column that needs a value gets one. */
async function insertRow(store: Store, box: RotatingBox, place: SealedColumn, n: number): Promise<void> {
  const row: Record<string, string> = Object.fromEntries(place.key.map((name) => [name, `${name}${n}`]));
  if (place.reads !== undefined) row[place.reads] = `user${n}`;
  const sealed = box.seal(secretOf(row), place.purpose(row) ?? '');
  row[place.column] = place.within === undefined ? sealed : JSON.stringify({ [place.within]: sealed, lastStep: 1 });
  await insert(store, place.table, row);
}

async function insert(store: Store, table: string, row: Readonly<Record<string, string | number>>): Promise<void> {
  const { rows } = await sql<{ name: string; type: string; notnull: number; dflt_value: unknown }>`
    SELECT name, type, "notnull", dflt_value FROM pragma_table_info(${table})`.execute(store.db);
  const needed = rows.filter((column) => column.notnull === 1 && column.dflt_value === null);
  const filled = Object.fromEntries(
    needed.map(({ name, type }) => [name, type === 'TEXT' ? `${table}-${name}-${JSON.stringify(row)}` : 1]),
  );
  await store.db
    .insertInto(table as 'meta')
    .values({ ...filled, ...row } as never)
    .execute();
}

const secretOf = (row: StoredRow): string => `secret of ${Object.values(row).join(' ')}`;

/** Asserts that the box opens every secret and that each is in its own place. */
async function assertReadable(store: Store, box: RotatingBox): Promise<void> {
  for (const place of sealedPlaces) {
    const rows = (await store.db.selectFrom(place.table).selectAll().execute()) as unknown as StoredRow[];
    for (const row of rows) {
      const purpose = place.purpose(row);
      if (purpose === null) continue;
      const held = row[place.column] ?? '';
      const text = box.open(place.within === undefined ? held : JSON.parse(held)[place.within], purpose);
      const names = [...place.key, ...(place.reads === undefined ? [] : [place.reads])];
      if (place.table !== 'meta')
        assert.equal(text, secretOf(Object.fromEntries(names.map((name) => [name, row[name] ?? '']))));
      if (place.within !== undefined) assert.equal(JSON.parse(held).lastStep, 1);
    }
  }
}

/** The same store, for a process that ends at a statement. */
function endingStore(store: Store, after: number): Store {
  let left = after;
  const db = store.db.withPlugin({
    transformQuery: ({ node }) => {
      if (left-- === 0) throw new Error('the process ended');
      return node;
    },
    transformResult: async ({ result }) => result,
  });
  return createStore(db, store.now);
}
