import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { until } from '../channel/testing/manual-time.ts';
import { bySystem } from '../db/contexts.ts';
import { createStore, type Store } from '../db/store.ts';
import { createTenant } from '../features/tenants/commands.ts';
import { publicKeyOf } from '../testing/api.ts';
import { openTestApp } from '../testing/harness.ts';
import { KnownAgents } from './known-agents.ts';

/** The keys known to one process, and another process that commits to the same database. */
async function start(t: TestContext) {
  const app = await openTestApp(t);
  const replica = createStore(app.store.db, app.store.now);
  let reads = 0;
  const counted: Store = {
    ...replica,
    db: replica.db.withPlugin({
      transformQuery: ({ node }) => {
        reads++;
        return node;
      },
      transformResult: async ({ result }) => result,
    }),
  };
  const gone: string[] = [];
  const agents = new KnownAgents(counted, { warn: (_, text) => assert.fail(text) }, (publicKey) =>
    gone.push(publicKey),
  );
  const readsSince = () => {
    const before = reads;
    reads = 0;
    return before;
  };
  app.store.onCommit((notice) => replica.noticed(notice));
  return { app, agents, gone, readsSince };
}

type Started = Awaited<ReturnType<typeof start>>;

async function gatewayWith({ app }: Started, publicKey: string): Promise<string> {
  const { json } = await app.request('POST', '/tenants/gateways', {
    body: { name: publicKey, wireguardPort: '51820' },
  });
  await app.store.write(bySystem(app.tenant.id, 'test'), async (tx) => {
    await tx.scoped.updateTable('gateways').set({ wireguard_key: publicKey }).where('id', '=', json.id).execute();
    tx.changed({ kind: 'gateway', id: json.id, op: 'update' });
  });
  return json.id;
}

test('commits of tenants without a known agent cost no query, and end what is remembered of strangers', async (t) => {
  const started = await start(t);
  const { app, agents, readsSince } = started;
  const key = publicKeyOf('one');
  assert.equal(await agents.find(key), null);
  assert.equal(agents.remembered(key), null);
  readsSince();
  const id = await gatewayWith(started, key);
  await createTenant(app.store, { kind: 'system', id: null, name: 'test' }, 'Other');
  assert.equal(readsSince(), 0);
  assert.equal(agents.remembered(key), undefined);
  assert.equal((await agents.find(key))?.id, id);
});

test('a tenant is followed while an agent of it is known', async (t) => {
  const started = await start(t);
  const { app, agents, gone, readsSince } = started;
  const [one, two] = [publicKeyOf('one'), publicKeyOf('two')];
  const ids = [await gatewayWith(started, one), await gatewayWith(started, two)];
  const found = await Promise.all([agents.find(one), agents.find(one), agents.find(two)]);
  assert.deepEqual(
    found.map((agent) => agent?.id),
    [ids[0], ids[0], ids[1]],
  );
  for (const [n, id] of ids.entries()) {
    await app.request('DELETE', `/tenants/gateways/${id}`);
    await until(() => gone.length > n, 'its key is not known any more');
    assert.deepEqual(gone, [one, two].slice(0, n + 1));
  }
  assert.equal(await agents.find(one), null);
  readsSince();
  await gatewayWith(started, publicKeyOf('three'));
  assert.equal(readsSince(), 0);
  assert.equal(agents.remembered(one), undefined, 'it may be an agent now');
});
