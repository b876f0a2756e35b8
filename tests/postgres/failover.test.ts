import assert from 'node:assert/strict';
import net from 'node:net';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Cleanup, PostgresServer, until } from '@sallyport/testkit';
import { openPostgres } from '../../apps/controller/src/db/postgres/open.ts';
import type { PostgresPlaces } from '../../apps/controller/src/db/postgres/place.ts';
import { scoped } from '../../apps/controller/src/db/scoped.ts';
import { createStore } from '../../apps/controller/src/db/store.ts';
import { noteFailover } from '../../apps/controller/src/failed-over.ts';
import { createTenant } from '../../apps/controller/src/features/tenants/commands.ts';
import { clonePostgres, placesOf } from '../../apps/controller/src/testing/postgres.ts';
import { actor, made, make, revisions, Told } from './fixtures.ts';
import { endTogether, Relay } from './relay.ts';

const cleanup = new Cleanup();
let first: PostgresServer;
let second: PostgresServer;

before(async () => {
  first = await PostgresServer.start(cleanup);
});
after(() => cleanup.run());

/** Opens the database as a controller does. It is closed with the servers at the latest. */
async function open(places: PostgresPlaces, told: Told) {
  const db = await openPostgres(places, told);
  const store = createStore(db, db.now);
  let closed: Promise<void> | null = null;
  const close = () => {
    closed ??= store.close();
    return closed;
  };
  cleanup.add(close);
  return { db, store, close };
}

test('a standby is taken once it is the primary server, and no acknowledged write is lost', async () => {
  const { db: empty, place } = await clonePostgres(first.url());
  await empty.destroy();
  second = await first.standby(cleanup, 'second');
  await first.set('synchronous_standby_names', 'second');
  const places = placesOf(second.urlWith([first], place.database));
  await assert.rejects(openPostgres([places[0]], new Told()), /is a standby and takes no writes/);
  const told = new Told();
  const { db, store, close } = await open(places, told);
  const { tenant } = await createTenant(store, actor, 'First');
  const acknowledged: string[] = [];
  let running = true;
  const writes = async (): Promise<void> => {
    for (let n = 0; running; n++) {
      const name = `made ${n}`;
      await make(store, tenant.id, name).then(
        () => acknowledged.push(name),
        (error) => {
          assert.equal(error.code, 'unavailable');
          return until('writes to be possible', () => store.trouble() === null);
        },
      );
    }
  };
  const written = writes();
  await until('writes succeed', () => acknowledged.length > 20);
  await first.kill('SIGKILL');
  await until('the loss is noticed', () => told.losses.length > 0);
  assert.match(String(store.trouble()), /does not answer/);
  await second.promote();
  const before = acknowledged.length;
  await until('writes succeed at the other server', () => acknowledged.length > before + 20);
  running = false;
  await written;
  const found = await made(store, tenant.id);
  assert.deepEqual(
    acknowledged.filter((name) => !found.includes(name)),
    [],
  );
  assert.equal(new Set(found).size, found.length, 'none is there twice');
  const all = await revisions(store, tenant.id);
  assert.deepEqual(
    all,
    all.map((_, at) => at + 1),
  );
  assert.deepEqual(told.moves, [2]);
  assert.equal(db.server().timeline, 2);

  // The server from before comes back, and for a time it is the only one.
  await second.kill('SIGKILL');
  await first.run();
  await until('it is refused', () => told.refusals.some((text) => /an old primary server, on timeline 1/.test(text)));
  assert.match(String(store.trouble()), /does not answer/);
  await second.run();
  await until('the present one is used again', () => store.trouble() === null);
  await make(store, tenant.id, 'made at last');
  assert.deepEqual(told.ends, []);
  await close();
});

test('of two servers that take writes the one promoted last is used, and nothing is sent to the other any more', async () => {
  const { db: empty, place } = await clonePostgres(second.url());
  await empty.destroy();
  const third = await second.standby(cleanup, 'third');
  await second.set('synchronous_standby_names', 'third');
  const told = new Told();
  const { db, store, close } = await open(placesOf(second.urlWith([third], place.database)), told);
  const { tenant } = await createTenant(store, actor, 'First');
  assert.deepEqual(db.server().replication, { kind: 'synchronous', standbys: 1 });
  const underWay = await db.startTransaction().execute();
  const write = () => underWay.insertInto('meta').values({ key: 'test', value: 'old' }).execute();
  await write();
  await third.promote();
  await until('the other server is used', () => told.moves.length > 0 && store.trouble() === null);
  await assert.rejects(underWay.deleteFrom('meta').where('key', '=', 'test').execute(), { code: 'unavailable' });
  await make(store, tenant.id, 'made there');
  const name = 'SELECT count(*) FROM protocols';
  assert.ok(Number(await third.sql(name, place.database)) > Number(await second.sql(name, place.database)));
  assert.deepEqual([told.moves, told.ends], [[3], []]);
  await close();
  const again = await openPostgres(placesOf(second.urlWith([third], place.database)), new Told());
  assert.equal(again.server().timeline, 3, 'also at a start that knows nothing');
  await again.destroy();
  await second.kill('SIGKILL');
  first = third;
});

test('after asynchronous replication a new epoch begins, and each audit log tells of it', async () => {
  const { db: empty, place } = await clonePostgres(first.url());
  await empty.destroy();
  const follower = await first.standby(cleanup, 'follower');
  const places = placesOf(first.urlWith([follower], place.database));
  const told = new Told();
  const { db, store, close } = await open(places, told);
  await db.insertInto('meta').values({ key: 'epoch', value: 'before' }).execute();
  const { tenant } = await createTenant(store, actor, 'First');
  await make(store, tenant.id, 'made and kept');
  assert.equal(db.server().replication.kind, 'asynchronous');
  const at = await first.sql('SELECT pg_current_wal_lsn()');
  const follows = () => follower.sql(`SELECT pg_last_wal_replay_lsn() >= '${at}'::pg_lsn`);
  await until('the standby has it', async () => (await follows()) === 't');
  await follower.kill('SIGKILL');
  await make(store, tenant.id, 'made and lost');
  await first.kill('SIGKILL');
  await follower.run();
  await follower.promote();
  await until('the process ends', () => told.ends.length > 0);
  assert.match(String(told.ends[0]), /acknowledged changes .* may be lost: a new epoch has begun/);
  await assert.rejects(make(store, tenant.id, 'refused'), { code: 'unavailable' });
  await close();

  const { db: next, store: after, close: closeNext } = await open(places, new Told());
  const epochs = await next.selectFrom('meta').select('value').where('key', '=', 'epoch').execute();
  assert.ok(epochs.length === 1 && epochs[0]?.value !== 'before');
  assert.deepEqual(await made(after, tenant.id), ['made and kept']);
  const loss = await noteFailover(after);
  assert.deepEqual([loss?.from, loss?.to], [3, 4]);
  const entries = await scoped(after.db, tenant.id).selectFrom('audit_events').select(['action', 'after']).execute();
  const notes = entries.filter(({ action }) => action === 'note failover');
  assert.equal(notes.length, 1);
  assert.match(String(notes[0]?.after), /"acknowledgedChangesMayBeLost":true/);
  assert.equal(await noteFailover(after), null, 'once');
  await closeNext();
  first = follower;
});

test('a name that leads to another server is followed, while connections to the one before still live', async () => {
  const { db: empty, place } = await clonePostgres(first.url());
  await empty.destroy();
  const heir = await first.standby(cleanup, 'heir');
  await first.set('synchronous_standby_names', 'heir');
  const name = await Name.start(first);
  cleanup.add(async () => name.stop());
  const told = new Told();
  const { db, store, close } = await open([{ ...place, host: '127.0.0.1', port: name.port }], told);
  const { tenant } = await createTenant(store, actor, 'First');
  await heir.promote();
  name.server = heir;
  const reads = Array.from({ length: 5 }, () => db.selectFrom('tenants').select('id').execute());
  await Promise.allSettled(reads);
  await until('the session follows', () => told.moves.length > 0 && store.trouble() === null);
  await make(store, tenant.id, 'made there');
  assert.deepEqual(await made(store, tenant.id), ['made there']);
  assert.equal(await first.sql("SELECT count(*) FROM protocols WHERE name = 'made there'", place.database), '0');
  assert.deepEqual([told.moves, told.ends], [[5], []]);
  await close();
});

/** An address that leads to one server, and later to another. */
class Name extends Relay {
  server: PostgresServer;

  private constructor(server: PostgresServer) {
    super();
    this.server = server;
  }

  static start(server: PostgresServer): Promise<Name> {
    return new Name(server).listen();
  }

  protected connect(): net.Socket {
    const { folder, port } = this.server;
    return net.connect(join(folder, `.s.PGSQL.${port}`));
  }

  protected carry(client: net.Socket, target: net.Socket): void {
    endTogether(client, target);
    client.pipe(target).pipe(client);
  }
}
