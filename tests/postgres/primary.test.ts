import assert from 'node:assert/strict';
import { after, before, type TestContext, test } from 'node:test';
import { Cleanup, PostgresServer, until } from '@sallyport/testkit';
import {
  type KnownPrimary,
  lossKey,
  refuseStale,
  settlePrimary,
  storeNote,
} from '../../apps/controller/src/db/postgres/primary.ts';
import { reachPrimary } from '../../apps/controller/src/db/postgres/server.ts';
import { clonePostgres } from '../../apps/controller/src/testing/postgres.ts';
import { Told } from './fixtures.ts';

const cleanup = new Cleanup();
let server: PostgresServer;

before(async () => {
  server = await PostgresServer.start(cleanup);
});
after(() => cleanup.run());

/** Another database with an epoch, and the server of it on any timeline. */
async function openRules(t: TestContext) {
  const { db, place } = await clonePostgres(server.url());
  const { client } = await reachPrimary([place], 10_000);
  t.after(async () => {
    await client.end();
    await db.destroy();
  });
  await client.query("DELETE FROM meta WHERE key LIKE 'primary%'");
  await client.query("INSERT INTO meta VALUES ('epoch', 'first')");
  const on = (timeline: number | null, system = 'one') => ({ startedAt: '1', system, timeline });
  const settle = async (at: ReturnType<typeof on>, known: KnownPrimary | null = null, behind = false) => {
    const settled = await settlePrimary(client, at, known, behind);
    const { rows } = await client.query("SELECT value FROM meta WHERE key = 'epoch'");
    assert.equal(settled.epoch, rows[0].value);
    return settled;
  };
  /** As the first controller of this database leaves it. */
  const first = async (synchronous: boolean): Promise<KnownPrimary> => {
    const { known } = await settle(on(1));
    assert.ok(known !== null);
    assert.equal(known.synchronous, false, 'the server of the test has no standby');
    const noted = { ...known, synchronous, version: known.version + 1 };
    await storeNote(db, noted);
    return noted;
  };
  const losses = async () => (await client.query('SELECT value FROM meta WHERE key = $1', [lossKey])).rows.length;
  return { client, db, place, on, settle, first, losses };
}

test('a promotion after asynchronous replication begins one new epoch, whichever controller comes first', async (t) => {
  const { on, settle, first, losses } = await openRules(t);
  const known = await first(false);
  assert.deepEqual(await settle(on(1), known), { ...(await settle(on(1))), epoch: 'first' });
  assert.equal(await losses(), 0);
  const settled = await settle(on(2), known);
  assert.notEqual(settled.epoch, 'first');
  assert.deepEqual([settled.promoted, settled.loss?.from, settled.loss?.to], [true, 1, 2]);
  assert.equal(await losses(), 1);
  const later = await settle(on(2), known);
  assert.deepEqual([later.promoted, later.loss, later.epoch], [true, null, settled.epoch]);
  const unknowing = await settle(on(2));
  assert.deepEqual([unknowing.promoted, unknowing.loss, unknowing.epoch], [false, null, settled.epoch]);
});

test('a promotion after synchronous replication begins none, unless a controller knows better', async (t) => {
  const { db, on, settle, first } = await openRules(t);
  const known = await first(true);
  const second = await settle(on(2), known);
  assert.deepEqual([second.promoted, second.loss, second.epoch], [true, null, 'first']);
  const unknowing = await settle(on(2));
  assert.deepEqual([unknowing.promoted, unknowing.loss], [false, null]);
  // One that saw the replication become asynchronous, which the standby never heard of.
  const better = { ...known, synchronous: false, version: known.version + 1 };
  const third = await settle(on(2), better);
  assert.ok(third.loss !== null && third.epoch !== 'first');
  const again = await settle(on(2), better);
  assert.deepEqual([again.loss, again.epoch], [null, third.epoch]);
  // One that knew less than the one that decided.
  assert.ok(third.known !== null);
  const noted = { ...third.known, synchronous: true, version: third.known.version + 5 };
  await storeNote(db, noted);
  assert.equal((await settle(on(3), noted)).loss, null);
  assert.equal((await settle(on(3), { ...noted, synchronous: false, version: noted.version - 1 })).loss, null);
});

test('a promoted server that lacks a change which a controller has seen begins a new epoch', async (t) => {
  const { on, settle, first } = await openRules(t);
  const known = await first(true);
  const { loss, epoch } = await settle(on(2), known, true);
  assert.ok(loss !== null && epoch !== 'first');
  const other = await openRules(t);
  const its = await other.first(true);
  assert.equal((await other.settle(other.on(2), its)).loss, null, 'the first one has seen nothing');
  assert.ok((await other.settle(other.on(2), its, true)).loss !== null, 'the second one has');
});

test('files of another origin, and servers that do not tell, begin no epoch', async (t) => {
  const { on, settle, first } = await openRules(t);
  const known = await first(false);
  const copied = await settle(on(1, 'two'), known);
  assert.deepEqual([copied.copied, copied.promoted, copied.loss], [true, false, null]);
  assert.equal(copied.known?.system, 'two');
  const silent = await settle(on(null), known);
  assert.deepEqual([silent.known, silent.promoted, silent.loss, silent.copied], [null, false, null, false]);
});

test('a note about replication never replaces a newer one', async (t) => {
  const { client, db, first } = await openRules(t);
  const known = await first(true);
  await storeNote(db, { ...known, synchronous: false });
  const read = async () =>
    (await client.query("SELECT value FROM meta WHERE key = 'primary_synchronous'")).rows[0].value;
  assert.equal(await read(), `${known.version} true`);
  await storeNote(db, { synchronous: false, version: known.version + 1 });
  assert.equal(await read(), `${known.version + 1} false`);
});

test('what a process knows of replication counts when the database has not heard of it', async (t) => {
  const { client, on, settle, first } = await openRules(t);
  const known = await first(true);
  const better = { ...known, synchronous: false, version: known.version + 1 };
  const settled = await settle(on(1), better);
  assert.deepEqual([settled.known?.synchronous, settled.known?.version], [false, better.version]);
  const { rows } = await client.query("SELECT value FROM meta WHERE key = 'primary_synchronous'");
  assert.equal(rows[0].value, `${better.version} false`);
});

test('an old primary server is refused, and one that was promoted beside the known one', async (t) => {
  const { client, place, on, settle, first } = await openRules(t);
  const known = await first(true);
  const refuse = (at: ReturnType<typeof on>, knows: KnownPrimary | null) => refuseStale(client, at, place, knows);
  await refuse(on(1), null);
  await refuse(on(1), known);
  await refuse(on(2), known);
  await refuse(on(1, 'two'), { ...known, timeline: 9 });
  await refuse(on(null), { ...known, timeline: 9 });
  await assert.rejects(refuse(on(1), { ...known, timeline: 2 }), /an old primary server, on timeline 1; .* timeline 2/);
  await settle(on(2), known);
  await refuse(on(2), known);
  await assert.rejects(refuse(on(2), { ...known, timeline: 2, mark: 'elsewhere' }), /another standby was promoted/);
  await client.query('BEGIN');
  await client.query('ALTER TABLE meta RENAME TO nothing');
  await refuse(on(2), known);
  await client.query('ROLLBACK');
});

test('a server that waits for a standby which is not there is told apart from one that is silent', async (t) => {
  const { client, on, settle, first } = await openRules(t);
  const known = await first(false);
  await server.set('synchronous_standby_names', 'missing');
  try {
    const shown = () => client.query('SHOW synchronous_standby_names');
    await until('it holds', async () => (await shown()).rows[0].synchronous_standby_names === 'missing');
    assert.equal((await settle(on(1), known)).known?.mark, known.mark, 'without a change there is nothing to wait for');
    await assert.rejects(settle(on(2), known), { code: 'unavailable', message: /waits for a synchronous standby/ });
  } finally {
    await server.set('synchronous_standby_names', '');
  }
  assert.equal((await settle(on(1), known)).epoch, 'first', 'nothing was stored');
});

test('a process ends when another one has begun a new epoch', async (t) => {
  const told = new Told();
  const { db } = await clonePostgres(server.url(), told);
  t.after(() => db.destroy());
  await db.insertInto('meta').values({ key: 'epoch', value: 'first' }).execute();
  db.worksIn('first');
  await db.updateTable('meta').set({ value: 'second' }).where('key', '=', 'epoch').execute();
  await until('it ends', () => told.ends.length > 0);
  assert.match(String(told.ends[0]), /another controller has begun a new epoch/);
  assert.deepEqual([told.losses, told.ends.length], [[], 1]);
  assert.notEqual(db.trouble(), null);
});
