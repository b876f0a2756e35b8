import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type TestContext, test } from 'node:test';
import { openDatabase } from '../db/open.ts';
import { createStore, type Store, type Tx } from '../db/store.ts';
import { createTenant } from '../features/tenants/commands.ts';
import { openTestStore, TestClock } from '../testing/harness.ts';
import { freeOverlay, takeOverlay } from './allocator.ts';
import { overlayRefusal, settleOverlay } from './range.ts';

const actor = { kind: 'system', id: null, name: 'test' } as const;
const day = 24 * 3600 * 1000;

const write = <T>(store: Store, tenant: string, work: (tx: Tx) => Promise<T>): Promise<T> =>
  store.write({ tenant, actor, action: 'test', sourceIp: null, requestId: null }, work);

async function start(t: TestContext) {
  const clock = new TestClock();
  const store = await openTestStore(t, clock);
  const { tenant } = await createTenant(store, actor, 'A');
  const take = (name: string) => write(store, tenant.id, (tx) => takeOverlay(tx, 'device', name));
  const free = (addresses: { overlay_v4: string }) => write(store, tenant.id, (tx) => freeOverlay(tx, addresses));
  return { clock, store, tenant: tenant.id, take, free };
}

test('a new installation takes the lower half, or the range that the operator names', async (t) => {
  const { store, take } = await start(t);
  assert.equal(await settleOverlay(store, null), '100.64.0.0/11');
  assert.equal(await settleOverlay(store, '10.200.0.0/16'), '10.200.0.0/16');
  assert.equal((await take('d')).overlay_v4, '10.200.0.1');
  assert.equal(await settleOverlay(store, null), '10.200.0.0/16', 'the database keeps it');
});

test('an installation from before the setting keeps its range, and every address', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-test-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'sallyport.db');
  const before = createStore(openDatabase(file), Date.now);
  const { tenant } = await createTenant(before, actor, 'A');
  await before.close();
  const old = new DatabaseSync(file);
  old.exec("DELETE FROM migrations WHERE name = '0007-overlay-range.sql'; DELETE FROM meta WHERE key = 'overlay'");
  old.close();
  const store = createStore(openDatabase(file), Date.now);
  t.after(() => store.close());
  assert.equal(await settleOverlay(store, null), '100.64.0.0/10');
  const { overlay_v4 } = await write(store, tenant.id, (tx) => takeOverlay(tx, 'device', 'd'));
  assert.equal(overlay_v4, '100.64.0.1');
  assert.equal(await settleOverlay(store, '100.64.0.0/11'), '100.64.0.0/11', 'it may be narrowed');
});

test('a range in use changes only where every address stays', async (t) => {
  const { clock, store, tenant, take, free } = await start(t);
  for (let n = 0; n < 300; n++) await take(`d${n}`);
  const refused = (range: string) =>
    assert.rejects(settleOverlay(store, range), (error: Error) => {
      assert.equal(error.name, 'OperatorError');
      assert.match(
        error.message,
        /SALLYPORT_OVERLAY is .*Start with SALLYPORT_OVERLAY=100\.64\.0\.0\/\d+.*sally export/,
      );
      return true;
    });
  for (const range of ['10.200.0.0/16', '100.64.16.0/20', '100.96.0.0/11']) await refused(range);
  for (const range of ['100.64.0.0/20', '100.64.0.0/10', '100.64.0.0/12'])
    assert.equal(await settleOverlay(store, range), range);
  for (let n = 0; n < 3000; n++) await take(`e${n}`);
  await settleOverlay(store, '100.64.0.0/16');
  for (let n = 0; n < 1000; n++) await take(`f${n}`);
  await refused('100.64.0.0/20');

  const leases = await store.db.selectFrom('overlay_leases').select('number').where('tenant_id', '=', tenant).execute();
  for (const { number } of leases) await free({ overlay_v4: `100.64.${number >> 8}.${number & 255}` });
  await refused('10.200.0.0/16');
  clock.now += 2 * day + 1;
  assert.equal(await settleOverlay(store, '10.200.0.0/16'), '10.200.0.0/16', 'after every address has rested');
  assert.equal((await take('again')).overlay_v4, '10.200.0.1');
});

test('a range is private, has a canonical spelling and a bounded length', () => {
  for (const range of ['100.64.0.0/11', '100.64.0.0/10', '10.0.0.0/8', '172.20.0.0/16', '192.168.0.0/16'])
    assert.equal(overlayRefusal(range), null, range);
  const bad = ['', 'x', '100.64.0.0', '100.64.0.1/11', 'fd00::/48', '8.0.0.0/8', '100.0.0.0/9', '127.0.0.0/8'];
  for (const range of [...bad, '10.0.0.0/21', '0.0.0.0/0', '224.0.0.0/8', '172.0.0.0/8', '10.0.0.0/08'])
    assert.notEqual(overlayRefusal(range), null, range);
});
