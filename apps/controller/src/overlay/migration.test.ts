import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { openDatabase } from '../db/open.ts';
import { createStore } from '../db/store.ts';
import { createTenant } from '../features/tenants/commands.ts';
import { takeOverlay } from './allocator.ts';

const actor = { kind: 'system', id: null, name: 'test' } as const;

test('numbers assigned before blocks existed stay and are not assigned twice', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-test-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'sallyport.db');
  const before = createStore(openDatabase(file), Date.now);
  const tenants = [await createTenant(before, actor, 'A'), await createTenant(before, actor, 'B')];
  await before.close();
  const [a = '', b = ''] = tenants.map(({ tenant }) => tenant.id);
  const old = new DatabaseSync(file);
  old.exec("DELETE FROM migrations WHERE name = '0004-overlay-blocks.sql'; DROP TABLE overlay_blocks");
  const lease = old.prepare('INSERT INTO overlay_leases VALUES (?, ?, ?, ?, ?)');
  for (let number = 1; number <= 300; number++)
    lease.run(number, number % 3 === 0 ? b : a, 'device', `d${number}`, number === 9 ? 1 : null);
  old.close();

  const store = createStore(openDatabase(file), Date.now);
  t.after(() => store.close());
  const take = (tenant: string, name: string) =>
    store.write({ tenant, actor, action: 'test', sourceIp: null, requestId: null }, (tx) =>
      takeOverlay(tx, 'device', name),
    );
  assert.equal((await take(a, 'new')).overlay_v4, '100.64.2.0', 'behind the blocks that were begun');
  assert.equal((await take(b, 'rested')).overlay_v4, '100.64.0.9', 'its own that has rested');
  assert.equal((await take(b, 'new')).overlay_v4, '100.64.3.0');
  assert.equal((await take(a, 'next')).overlay_v4, '100.64.2.1');
});
