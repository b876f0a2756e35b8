import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Cleanup, PostgresServer, until } from '@sallyport/testkit';
import { openPostgres } from '../../apps/controller/src/db/postgres/open.ts';
import { createStore, type Store } from '../../apps/controller/src/db/store.ts';
import { createTenant } from '../../apps/controller/src/features/tenants/commands.ts';
import { clonePostgres } from '../../apps/controller/src/testing/postgres.ts';
import { SilentProxy } from './silent-proxy.ts';

const cleanup = new Cleanup();
let server: PostgresServer;
before(async () => {
  server = await PostgresServer.start(cleanup);
});
after(() => cleanup.run());

const actor = { kind: 'system', id: null, name: 'test' } as const;

/** Begins a write that stays open until it is let go, and that has locked its tenant by the time this resolves. */
async function heldWrite(store: Store, tenant: string) {
  const locked = Promise.withResolvers<void>();
  const goOn = Promise.withResolvers<void>();
  const context = { tenant, actor, action: 'make', sourceIp: null, requestId: null };
  const done = store.write(context, async (tx) => {
    await tx.scoped.selectFrom('protocols').select('id').limit(1).execute();
    locked.resolve();
    await goOn.promise;
    const id = randomUUID();
    const values = { id, created_at: tx.now, name: id, type: 'CUSTOM' as const, network_protocols: '[]' };
    await tx.scoped.insertInto('protocols', values).execute();
    tx.changed({ kind: 'protocol', id, op: 'create', after: {} });
    return id;
  });
  done.catch(() => undefined);
  await locked.promise;
  return { done, goOn: goOn.resolve };
}

test('a controller gives a silent database up after ten seconds, and comes back although the server knows nothing of it', async () => {
  const { db, place } = await clonePostgres(server.url());
  await db.destroy();
  const proxy = await SilentProxy.start(join(server.folder, `.s.PGSQL.${server.port}`));
  const told = { lost: [] as unknown[], ended: [] as unknown[], backs: 0 };
  const events = {
    lost: (error: unknown) => void told.lost.push(error),
    check: () => undefined,
    back: () => void told.backs++,
    ended: (error: unknown) => void told.ended.push(error),
  };
  const far = [{ ...place, host: '127.0.0.1', port: proxy.port }] as const;
  const database = await openPostgres(far, events, { sharing: { key: 7, channels: ['news'] } });
  await database.started();
  const store = createStore(database, database.now);
  const { tenant } = await createTenant(store, actor, 'First');
  const held = await heldWrite(store, tenant.id);
  proxy.swallow();
  const asked = store.read((reader) => reader.selectFrom('tenants').select('id').execute());
  await assert.rejects(asked, { code: 'unavailable' });
  await until('the database is given up', () => told.lost.length === 1);
  assert.match(String(store.trouble()), /does not answer/);
  await assert.rejects(
    store.read((reader) => reader.selectFrom('tenants').select('id').execute()),
    { code: 'unavailable' },
  );
  held.goOn();
  await assert.rejects(held.done, { code: 'unavailable' }, 'it was not committed');
  proxy.carryOn();
  await until('the database is back', () => told.backs === 1);
  assert.equal(store.trouble(), null);
  // The server ends the transaction that stands still and holds the tenant.
  const again = await heldWrite(store, tenant.id);
  again.goOn();
  const id = await again.done;
  const rows = await store.read((reader) => reader.selectFrom('protocols').select('id').execute());
  assert.deepEqual(rows.filter((row) => row.id === id).length, 1);
  assert.deepEqual(told.ended, []);
  await store.close();
  proxy.stop();
});

test('callers beyond two thousand are refused at once while the database does not answer', async () => {
  const { db, place } = await clonePostgres(server.url());
  await db.destroy();
  const proxy = await SilentProxy.start(join(server.folder, `.s.PGSQL.${server.port}`));
  const quiet = { lost: () => undefined, check: () => undefined, back: () => undefined, ended: () => undefined };
  const database = await openPostgres([{ ...place, host: '127.0.0.1', port: proxy.port }], quiet);
  const store = createStore(database, database.now);
  proxy.swallow();
  const ask = () => store.read((reader) => reader.selectFrom('tenants').select('id').execute());
  const waiting = Array.from({ length: 2_020 }, ask);
  for (const each of waiting) each.catch(() => undefined);
  await assert.rejects(ask(), { code: 'unavailable', message: /Too many requests wait/ });
  proxy.stop();
  const settled = await Promise.allSettled(waiting);
  assert.ok(settled.every(({ status }) => status === 'rejected'));
  await store.close();
});
