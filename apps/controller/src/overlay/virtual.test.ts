import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type TestContext, test } from 'node:test';
import { openDatabase } from '../db/open.ts';
import { scoped } from '../db/scoped.ts';
import { createStore, type Store } from '../db/store.ts';
import { createTenant } from '../features/tenants/commands.ts';
import { readResources } from '../runtime/world-rows.ts';
import { openTestStore, TestClock } from '../testing/harness.ts';
import { namesHaveAddresses, restMs, settleNames, virtualAddresses } from './virtual.ts';

const actor = { kind: 'system', id: null, name: 'test' } as const;

async function open(t: TestContext) {
  const clock = new TestClock();
  const store = await openTestStore(t, clock);
  const { tenant } = await createTenant(store, actor, 'A');
  return { clock, store, tenant: tenant.id };
}

/** Gives a resource exactly these names, as a write of the API does. */
async function setNames(store: Store, tenant: string, resource: string, names: readonly string[], type = 'PRIVATE') {
  const write = { tenant, actor, action: 'test', sourceIp: null, requestId: null };
  await store.write(write, async (tx) => {
    const had = await tx.scoped.selectFrom('addresses').select('address').where('resource_id', '=', resource).execute();
    await tx.scoped.deleteFrom('resources').where('id', '=', resource).execute();
    const row = {
      id: resource,
      created_at: 0,
      updated_at: 0,
      version: 1,
      name: resource,
      description: null,
      labels: '[]',
    };
    await tx.scoped
      .insertInto('resources', { ...row, type: type as 'PRIVATE', load_balancing_mode: 'MANUAL' })
      .execute();
    const { id: protocol_id } = await tx.scoped.selectFrom('protocols').select('id').limit(1).executeTakeFirstOrThrow();
    for (const [position, address] of names.entries()) {
      const address_id = `${resource}-${address}`;
      await tx.scoped.insertInto('addresses', { id: address_id, resource_id: resource, position, address }).execute();
      await tx.scoped.insertInto('address_protocols', { address_id, protocol_id, position: 0 }).execute();
    }
    await settleNames(tx, [...had.map(({ address }) => address), ...names]);
  });
}

async function known(store: Store, tenant: string): Promise<Record<string, string>> {
  const all = (await readResources(scoped(store.db, tenant))).flatMap(({ addresses }) => addresses);
  return Object.fromEntries(
    all.flatMap(({ name, prefix }) => (name === undefined || prefix.includes(':') ? [] : [[name, prefix]])),
  );
}

test('a name keeps its address while a resource has it, and gets it back while the address rests', async (t) => {
  const { clock, store, tenant } = await open(t);
  await setNames(store, tenant, 'r1', ['a.example', 'b.example']);
  await setNames(store, tenant, 'r2', ['b.example']);
  const first = { 'a.example': '100.96.0.1/32', 'b.example': '100.96.0.2/32' };
  assert.deepEqual(await known(store, tenant), first);
  await setNames(store, tenant, 'r1', []);
  assert.deepEqual(await known(store, tenant), { 'b.example': '100.96.0.2/32' });
  await setNames(store, tenant, 'r3', ['c.example']);
  assert.equal(
    (await known(store, tenant))['c.example'],
    '100.96.0.3/32',
    'the address of a name that rests is not given',
  );
  clock.now += 2 * restMs;
  await setNames(store, tenant, 'r3', ['c.example', 'a.example']);
  assert.equal((await known(store, tenant))['a.example'], '100.96.0.1/32');
});

test('addresses are unique in a tenant, and those of removed names come last and only after their rest', async (t) => {
  const { clock, store, tenant } = await open(t);
  await setNames(store, tenant, 'r1', ['a.example', 'b.example']);
  const last = 2 ** 21 - 2;
  await store.db.updateTable('virtual_addresses').set({ number: last }).where('name', '=', 'b.example').execute();
  await setNames(store, tenant, 'r1', ['b.example']);
  await assert.rejects(setNames(store, tenant, 'r2', ['c.example']), { code: 'quota_exceeded' });
  clock.now += restMs;
  await setNames(store, tenant, 'r2', ['c.example']);
  assert.deepEqual(await known(store, tenant), { 'b.example': '100.127.255.254/32', 'c.example': '100.96.0.1/32' });
  await assert.rejects(setNames(store, tenant, 'r2', ['c.example', 'd.example']), { code: 'quota_exceeded' });
});

test('names of other resources, and addresses, get none', async (t) => {
  const { store, tenant } = await open(t);
  await setNames(store, tenant, 'r1', ['a.example'], 'SAAS');
  assert.deepEqual(await known(store, tenant), {});
  assert.equal((await store.db.selectFrom('virtual_addresses').selectAll().execute()).length, 0);
});

test('an overlay that contains the range for names leaves none to them', () => {
  assert.equal(namesHaveAddresses({ v4: '100.64.0.0/10' }), false);
  assert.equal(namesHaveAddresses({ v4: '100.64.0.0/11' }), true);
  assert.equal(namesHaveAddresses({ v4: '10.200.0.0/16' }), true);
  assert.deepEqual(virtualAddresses({ v6: 'fd12:3456:789a::/48' }, 258), ['100.96.1.2', 'fd12:3456:789a:ffff::102']);
});

test('names from before get addresses with the migration', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-test-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'sallyport.db');
  const before = createStore(openDatabase(file), Date.now);
  const tenants = [await createTenant(before, actor, 'A'), await createTenant(before, actor, 'B')].map(
    ({ tenant }) => tenant.id,
  );
  for (const tenant of tenants)
    await setNames(before, tenant, `p-${tenant}`, ['b.example', 'a.example', '10.0.0.1', 'fd00::1']);
  await setNames(before, tenants[0] ?? '', 's', ['saas.example'], 'SAAS');
  await before.close();
  const old = new DatabaseSync(file);
  old.exec(
    "DELETE FROM migrations WHERE name IN ('0014-names.sql', '0015-wildcards.sql'); DROP TABLE virtual_addresses",
  );
  old.close();
  const store = createStore(openDatabase(file), Date.now);
  t.after(() => store.close());
  for (const tenant of tenants)
    assert.deepEqual(await known(store, tenant), { 'a.example': '100.96.0.1/32', 'b.example': '100.96.0.2/32' });
});
