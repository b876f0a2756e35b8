import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { parsePrefix, rangeContains } from '@sallyport/ip';
import type { Store, Tx } from '../db/store.ts';
import { createTenant } from '../features/tenants/commands.ts';
import { openTestStore, TestClock } from '../testing/harness.ts';
import { freeOverlay, takeOverlay } from './allocator.ts';

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
    assert.ok(within(overlay_v4, '100.64.0.0/11'), overlay_v4);
    assert.ok(within(overlay_v6, own), overlay_v6);
  }
});

test('tenants take numbers from blocks of their own', async (t) => {
  const { store, tenants } = await open(t);
  const owner = new Map<number, string | undefined>();
  for (let n = 0; n < 700; n++) {
    const tenant = tenants[n % 2];
    const { overlay_v4 } = await write(store, tenant, (tx) => takeOverlay(tx, 'device', `d${n}`));
    const block = Number(parsePrefix(overlay_v4)?.first ?? 0n) >> 8;
    assert.equal(owner.get(block) ?? tenant, tenant);
    owner.set(block, tenant);
  }
  assert.equal(owner.size, 4);
});

test('writes of one commit take one new block together, and use older ones up first', async (t) => {
  const { store, tenants } = await open(t);
  const [tenant = ''] = tenants;
  const row = (block: number, used: number) => ({ block, tenant_id: tenant, used });
  await store.db
    .insertInto('overlay_blocks')
    .values([row(0, 254), row(1, 256), row(2, 255)])
    .execute();
  const together = Array.from({ length: 60 }, (_, n) =>
    write(store, tenant, (tx) => takeOverlay(tx, 'device', `d${n}`)),
  );
  const given = (await Promise.all(together)).map(({ overlay_v4 }) => overlay_v4);
  assert.equal(new Set(given).size, 60);
  assert.deepEqual(given.slice(0, 4), ['100.64.2.255', '100.64.0.254', '100.64.0.255', '100.64.3.0']);
  const blocks = await store.db.selectFrom('overlay_blocks').select(['block', 'used']).orderBy('block').execute();
  assert.deepEqual(
    blocks.map(({ block, used }) => [block, used]),
    [
      [0, 256],
      [1, 256],
      [2, 256],
      [3, 57],
    ],
  );
});

test('a tenant takes its own rested numbers first, after longer than the lease', async (t) => {
  const { clock, store, tenants } = await open(t);
  const [tenant] = tenants;
  const take = (of: string | undefined, name: string) => write(store, of, (tx) => takeOverlay(tx, 'device', name));
  const first = await take(tenant, 'first');
  const second = await take(tenant, 'second');
  for (const gone of [first, second]) {
    await write(store, tenant, (tx) => freeOverlay(tx, gone));
    clock.now += 1;
  }
  clock.now += 2 * day - 3;
  assert.ok(![first.overlay_v4, second.overlay_v4].includes((await take(tenant, 'early')).overlay_v4));
  clock.now += 1;
  assert.notEqual((await take(tenants[1], 'of the other')).overlay_v4, first.overlay_v4);
  assert.deepEqual(await take(tenant, 'late'), first);
  assert.notEqual((await take(tenant, 'early again')).overlay_v4, second.overlay_v4);
  clock.now += 1;
  assert.deepEqual(await take(tenant, 'later'), second);
});

/** As if the tenant had used up so many more blocks. */
async function useBlocks(store: Store, tenant: string | undefined, from: number, count: number): Promise<void> {
  const rows = Array.from({ length: count }, (_, at) => ({ block: from + at, tenant_id: tenant ?? '', used: 256 }));
  for (let at = 0; at < count; at += 200) {
    await store.db
      .insertInto('overlay_blocks')
      .values(rows.slice(at, at + 200))
      .execute();
  }
}

test('tenants that take all they can leave addresses for others', async (t) => {
  const { store, tenants } = await open(t);
  let used = 0;
  for (let hostile = 0; hostile < 20; hostile++) {
    const { tenant } = await createTenant(store, actor, `hostile ${hostile}`);
    const free = 2 ** 13 - used;
    // It has just fewer than a quarter of what is free: the next block is its last.
    const most = Math.ceil(free / 5);
    await useBlocks(store, tenant.id, used, most);
    used += most;
    await assert.rejects(
      write(store, tenant.id, (tx) => takeOverlay(tx, 'device', 'more')),
      { code: 'overlay_exhausted' },
    );
  }
  for (const tenant of tenants)
    for (let n = 0; n < 300; n++) await write(store, tenant, (tx) => takeOverlay(tx, 'device', `${tenant} ${n}`));
});

test('a tenant without free addresses is told when the next one can be used', async (t) => {
  const { clock, store, tenants } = await open(t);
  const freed = await write(store, tenants[0], (tx) => takeOverlay(tx, 'device', 'freed'));
  await write(store, tenants[0], (tx) => freeOverlay(tx, freed));
  await store.db.updateTable('overlay_blocks').set({ used: 256 }).execute();
  await useBlocks(store, tenants[0], 1, 2 ** 13);
  await assert.rejects(
    write(store, tenants[0], (tx) => takeOverlay(tx, 'device', 'refused')),
    { code: 'overlay_exhausted', message: new RegExp(new Date(clock.now + 2 * day).toISOString()) },
  );
});

test('a block whose numbers have all rested goes to another tenant when blocks run short, and not earlier', async (t) => {
  const { clock, store, tenants } = await open(t);
  const [had, needs] = tenants;
  const take = (of: string | undefined, name: string) => write(store, of, (tx) => takeOverlay(tx, 'device', name));
  const free = (of: string | undefined, gone: { overlay_v4: string }) =>
    write(store, of, (tx) => freeOverlay(tx, gone));
  const gone = [await take(had, 'gone'), await take(had, 'gone too')];
  await useBlocks(store, had, 1, 2 ** 13 - 2);
  for (const one of gone) {
    await assert.rejects(take(needs, 'new'), { code: 'overlay_exhausted' }, 'one is in use');
    await free(had, one);
    clock.now += day;
  }
  await assert.rejects(take(needs, 'new'), { code: 'overlay_exhausted' }, 'the later one has not rested');
  clock.now += day;
  assert.equal((await take(needs, 'new')).overlay_v4, '100.64.0.1', 'never the address of the network');
  await assert.rejects(take(had, 'again'), { code: 'overlay_exhausted' }, 'the block is the other tenant’s now');
  const leases = await store.db.selectFrom('overlay_leases').select(['tenant_id', 'number', 'rests_until']).execute();
  assert.deepEqual(
    leases.map(({ tenant_id, number, rests_until }) => [tenant_id, number, rests_until]),
    [[needs, 1, null]],
  );
});

test('a later block is kept while any of its numbers is in use, and given back when all have rested', async (t) => {
  const { clock, store, tenants } = await open(t);
  const [had, needs] = tenants;
  await useBlocks(store, had, 0, 2 ** 13 - 1);
  const lease = { tenant_id: had ?? '', owner_kind: 'device' as const };
  const [first, second] = [3 * 256, 3 * 256 + 9];
  await store.db
    .insertInto('overlay_leases')
    .values([
      { ...lease, number: first, owner_id: 'gone', rests_until: clock.now },
      { ...lease, number: second, owner_id: 'in use', rests_until: null },
    ])
    .execute();
  const take = () => write(store, needs, (tx) => takeOverlay(tx, 'device', 'new'));
  await assert.rejects(take(), { code: 'overlay_exhausted' }, 'one of the block is in use');
  await store.db.updateTable('overlay_leases').set({ rests_until: clock.now }).where('number', '=', second).execute();
  assert.equal((await take()).overlay_v4, '100.64.3.0');
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
