import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Cleanup, PostgresServer, until } from '@sallyport/testkit';
import { openPostgres } from '../../apps/controller/src/db/postgres/open.ts';
import { createStore } from '../../apps/controller/src/db/store.ts';
import { createTenant } from '../../apps/controller/src/features/tenants/commands.ts';
import { clonePostgres, placesOf } from '../../apps/controller/src/testing/postgres.ts';
import { actor, made, make, revisions, Told } from './fixtures.ts';

const cleanup = new Cleanup();
let first: PostgresServer;
let second: PostgresServer;

before(async () => {
  first = await PostgresServer.start(cleanup);
});
after(() => cleanup.run());

test('a standby is taken once it is the primary server, and no acknowledged write is lost', async () => {
  const { db: empty, place } = await clonePostgres(first.url());
  await empty.destroy();
  second = await first.standby(cleanup, 'second');
  await first.set('synchronous_standby_names', 'second');
  const places = placesOf(second.urlWith([first], place.database));
  await assert.rejects(openPostgres([places[0]], new Told()), /is a standby and takes no writes/);
  const told = new Told();
  const db = await openPostgres(places, told);
  const store = createStore(db, db.now);
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
  assert.deepEqual(told.ends, []);
  await store.close();
});
