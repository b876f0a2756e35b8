import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import net from 'node:net';
import { join } from 'node:path';
import { after, before, type TestContext, test } from 'node:test';
import { Cleanup, PostgresServer, until } from '@sallyport/testkit';
import { Kysely } from 'kysely';
import { Quotas } from '../../apps/controller/src/budgets/quotas.ts';
import { bySystem } from '../../apps/controller/src/db/contexts.ts';
import { postgresDialect } from '../../apps/controller/src/db/postgres/dialect.ts';
import { PostgresPool } from '../../apps/controller/src/db/postgres/pool.ts';
import type { Database } from '../../apps/controller/src/db/schema.ts';
import { createStore, type Store, type Tx } from '../../apps/controller/src/db/store.ts';
import { verifyAudit } from '../../apps/controller/src/features/audit/verify.ts';
import { createTenant } from '../../apps/controller/src/features/tenants/commands.ts';
import { takeOverlay } from '../../apps/controller/src/overlay/allocator.ts';
import { cleanUp, openTestApp } from '../../apps/controller/src/testing/harness.ts';
import { asAdmin } from '../../apps/controller/src/testing/postgres.ts';
import { openSharedStores, type SharedStores } from '../../apps/controller/src/testing/shared-stores.ts';
import { Relay } from './relay.ts';

const cleanup = new Cleanup();
let server: PostgresServer;

before(async () => {
  // Rows of one transaction may have different numbers, because each savepoint has one.
  server = await PostgresServer.start(cleanup, { settings: { track_commit_timestamp: 'on' } });
});
after(() => cleanup.run());

/** Counts what comes from the client: the driver sends what belongs together at once. */
class Counter extends Relay {
  messages = 0;
  readonly #target: string;

  constructor(target: string) {
    super();
    this.#target = target;
  }

  protected override connect(): net.Socket {
    return net.connect(this.#target);
  }

  protected override carry(client: net.Socket, target: net.Socket): void {
    client.on('data', () => this.messages++);
    client.pipe(target).pipe(client);
  }
}

async function open(t: TestContext) {
  const { clock, stores, place } = await openSharedStores(t, server.url());
  const { tenant } = await createTenant(stores[0], { kind: 'system', id: null, name: 'test' }, 'Test');
  const write = (store: Store, work: (tx: Tx) => Promise<unknown>) => store.write(bySystem(tenant.id, 'test'), work);
  return { clock, stores, place, tenant: tenant.id, write };
}

const create = async (tx: Tx): Promise<void> => {
  const id = randomUUID();
  await takeOverlay(tx, 'device', id);
  tx.changed({ kind: 'device', id, op: 'create', before: null, after: { id } });
};

/** A store of the database whose messages to the server are counted. */
async function counted(t: TestContext, { clock, place }: Pick<SharedStores, 'clock' | 'place'>) {
  const relay = await new Counter(join(server.folder, `.s.PGSQL.${server.port}`)).listen();
  const pool = new PostgresPool({ ...place, host: '127.0.0.1', port: relay.port }, () => true);
  const dialect = postgresDialect(pool);
  const store = createStore(new Kysely<Database>({ dialect }), () => clock.now, new Quotas());
  cleanUp(t, async () => {
    await store.close();
    relay.stop();
  });
  return { store, relay };
}

test('a request that writes asks the server twice, with what finds its caller', async (t) => {
  const { store, relay } = await counted(t, await openSharedStores(t, server.url()));
  const app = await openTestApp(t, { store });
  const create = (n: number) =>
    app.request('POST', '/tenants/gateways', { body: { name: `g${n}`, wireguardPort: '51820' } });
  await create(0);
  for (let n = 1; n < 4; n++) {
    const { messages } = relay;
    assert.equal((await create(n)).status, 201);
    assert.equal(relay.messages - messages, 2);
  }
});

test('a write asks the server twice: with the lock and with the commit, also after another controller wrote', async (t) => {
  const opened = await open(t);
  const { stores, tenant, write } = opened;
  const { store, relay } = await counted(t, opened);
  const [other] = stores;
  other.onCommit((notice) => store.noticed(notice));
  await write(store, create);
  for (let n = 0; n < 6; n++) {
    if (n % 2 === 1) await write(other, create);
    const messages = relay.messages;
    await write(store, create);
    assert.equal(relay.messages - messages, 2, `write ${n}`);
  }
  assert.equal((await verifyAudit(store, tenant)).intact, true);
});

/** Keeps the tenant's head until it is told to let it go, and then makes a row. Resolves once that has begun. */
async function held(t: TestContext, store: Store, tenant: string): Promise<() => Promise<void>> {
  const [begun, end] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const holding = store.write(bySystem(tenant, 'hold'), async (tx) => {
    await tx.revision();
    begun.resolve();
    await end.promise;
    await named('held')(tx);
  });
  t.after(() => end.resolve());
  await begun.promise;
  return async () => {
    end.resolve();
    await holding;
  };
}

const named = (name: string) => async (tx: Tx) => {
  const row = { id: name, created_at: tx.now, name, type: 'CUSTOM' as const, network_protocols: '[]' };
  await tx.scoped.insertInto('protocols', row).execute();
  tx.changed({ kind: 'protocol', id: name, op: 'create', after: { name } });
};

/** Starts writes one after the other while another controller keeps them waiting. Returns how they ended. */
async function meanwhile(t: TestContext, works: readonly ((tx: Tx) => Promise<unknown>)[]) {
  const opened = await open(t);
  const { stores, place, tenant, write } = opened;
  const release = await held(t, stores[1], tenant);
  const waiting = () =>
    asAdmin(place, async (admin) => {
      const { rows } = await admin.query(
        "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%for update'",
      );
      return rows.length > 0;
    });
  const ends: Promise<unknown>[] = [];
  for (const work of works) {
    const end = write(stores[0], work);
    end.catch(() => undefined);
    ends.push(end);
    await until('the first write waits for the lock', waiting);
  }
  await release();
  const outcomes = (await Promise.allSettled(ends)).map(({ status }) => status);
  const rows = await asAdmin(place, (admin) =>
    admin.query<{ id: string; commit: string }>(
      `SELECT protocols.id, pg_xact_commit_timestamp(protocols.xmin)::text AS commit FROM protocols
       WHERE type = 'CUSTOM' ORDER BY id`,
    ),
  );
  assert.equal((await verifyAudit(stores[0], tenant)).intact, true);
  return { outcomes, rows: rows.rows };
}

test('what a write asks for first is answered under the lock, however it asks', async (t) => {
  const seen: (readonly { id: string }[])[] = [];
  const own = ({ scoped }: Tx) => scoped.selectFrom('protocols').select('id').where('type', '=', 'CUSTOM');
  const looking = async (tx: Tx) => {
    const built = own(tx).execute();
    const compiled = tx.scoped.run('own protocols', [tx.tenant, 'CUSTOM'], () => own(tx).compile());
    seen.push(await built, await compiled);
  };
  const { outcomes } = await meanwhile(t, [looking]);
  assert.deepEqual(outcomes, ['fulfilled']);
  assert.deepEqual(seen, [[{ id: 'held' }], [{ id: 'held' }]]);
});

test('writes that come while the first one waits for the lock share its commit', async (t) => {
  const { outcomes, rows } = await meanwhile(t, ['a', 'b', 'c'].map(named));
  assert.deepEqual(outcomes, ['fulfilled', 'fulfilled', 'fulfilled']);
  assert.deepEqual(
    rows.map(({ id }) => id),
    ['a', 'b', 'c', 'held'],
  );
  assert.equal(new Set(rows.filter(({ id }) => id !== 'held').map(({ commit }) => commit)).size, 1);
});

test('a write that joined and fails is undone alone', async (t) => {
  const failing = async (tx: Tx) => {
    await named('failed')(tx);
    throw new Error('no');
  };
  const { outcomes, rows } = await meanwhile(t, [named('a'), failing, named('b')]);
  assert.deepEqual(outcomes, ['fulfilled', 'rejected', 'fulfilled']);
  assert.deepEqual(
    rows.map(({ id }) => id),
    ['a', 'b', 'held'],
  );
});

test('when the first write fails, those that came after it succeed', async (t) => {
  const failing = async (tx: Tx) => {
    await named('failed')(tx);
    throw new Error('no');
  };
  const { outcomes, rows } = await meanwhile(t, [failing, named('a'), named('b')]);
  assert.deepEqual(outcomes, ['rejected', 'fulfilled', 'fulfilled']);
  assert.deepEqual(
    rows.map(({ id }) => id),
    ['a', 'b', 'held'],
  );
});
