import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { parsePrefix, rangeContains } from '@sallyport/contract';
import type { Store, Tx } from '../db/store.ts';
import { createTenant } from '../features/tenants/commands.ts';
import { openTestStore, TestClock } from '../testing/harness.ts';
import { freeOverlay, overlayV4, takeOverlay } from './allocator.ts';

const actor = { kind: 'system', id: null, name: 'test' } as const;
const day = 24 * 3600 * 1000;

async function open(t: TestContext) {
  const clock = new TestClock();
  const store = await openTestStore(t, clock);
  const tenants = [await createTenant(store, actor, 'A'), await createTenant(store, actor, 'B')].map(
    ({ tenant }) => tenant.id,
  );
  return { clock, store, tenants };
}

const write = <T>(store: Store, tenant = '', work: (tx: Tx) => Promise<T>): Promise<T> =>
  store.write({ tenant, actor, action: 'test', sourceIp: null, requestId: null }, work);

function within(address: string, prefix: string): boolean {
  const [inner, outer] = [parsePrefix(address), parsePrefix(prefix)];
  assert.ok(inner !== null && outer !== null);
  return rangeContains(outer, inner.family, inner.first);
}

test('addresses are unique across tenants and lie in the overlay of their tenant', async (t) => {
  const { store, tenants } = await open(t);
  const given = [];
  for (let n = 0; n < 40; n++) {
    const tenant = tenants[n % 2];
    given.push({ tenant, ...(await write(store, tenant, (tx) => takeOverlay(tx, 'device', `d${n}`))) });
  }
  assert.equal(new Set(given.map((addresses) => addresses.overlay_v4)).size, 40);
  assert.equal(new Set(given.map((addresses) => addresses.overlay_v6)).size, 40);
  const rows = await store.db.selectFrom('tenants').select(['id', 'overlay_v6']).execute();
  for (const { tenant, overlay_v4, overlay_v6 } of given) {
    const own = rows.find((row) => row.id === tenant)?.overlay_v6 ?? '';
    assert.match(own, /^fd[0-9a-f:]+::\/48$/);
    assert.ok(within(overlay_v4, overlayV4), overlay_v4);
    assert.ok(within(overlay_v6, own), overlay_v6);
  }
});

test('a freed address rests longer than the lease before it is given again', async (t) => {
  const { clock, store, tenants } = await open(t);
  const [tenant] = tenants;
  const first = await write(store, tenant, (tx) => takeOverlay(tx, 'device', 'first'));
  // Only the last number is left fresh.
  await write(store, tenant, async (tx) => {
    const row = {
      number: 2 ** 22 - 2,
      tenant_id: tx.tenant,
      owner_kind: 'device' as const,
      owner_id: 'last',
      rests_until: null,
    };
    await tx.db.insertInto('overlay_leases').values(row).execute();
  });
  await assert.rejects(
    write(store, tenant, (tx) => takeOverlay(tx, 'device', 'early')),
    { code: 'overlay_exhausted' },
  );
  await write(store, tenant, (tx) => freeOverlay(tx, first));
  clock.now += day;
  await assert.rejects(
    write(store, tenant, (tx) => takeOverlay(tx, 'device', 'early')),
    { code: 'overlay_exhausted' },
  );
  clock.now += day;
  const again = await write(store, tenants[1], (tx) => takeOverlay(tx, 'device', 'late'));
  assert.equal(again.overlay_v4, first.overlay_v4);
  assert.notEqual(again.overlay_v6, first.overlay_v6);
  await assert.rejects(
    write(store, tenant, (tx) => takeOverlay(tx, 'device', 'next')),
    { code: 'overlay_exhausted' },
  );
});

test('freeing touches the tenant’s own lease only', async (t) => {
  const { store, tenants } = await open(t);
  const mine = await write(store, tenants[0], (tx) => takeOverlay(tx, 'device', 'mine'));
  await write(store, tenants[1], (tx) => freeOverlay(tx, mine));
  const lease = await store.db
    .selectFrom('overlay_leases')
    .selectAll()
    .where('owner_id', '=', 'mine')
    .executeTakeFirstOrThrow();
  assert.equal(lease.rests_until, null);
});
