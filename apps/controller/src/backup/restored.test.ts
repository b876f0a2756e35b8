import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createTenant } from '../features/tenants/commands.ts';
import { createSecretBox } from '../secrets/box.ts';
import { loadIdentity } from '../secrets/identity.ts';
import { openTestStore } from '../testing/harness.ts';
import { copyMarker } from './marker.ts';
import { beginAfterRestore } from './restored.ts';

const box = createSecretBox(Buffer.alloc(32, 1));
const operator = { kind: 'operator', id: null, name: 'operator' } as const;

test('a copy begins one new epoch, ends open enrolment keys, and leaves a note for each tenant', async (t) => {
  const store = await openTestStore(t);
  const { tenant } = await createTenant(store, operator, 'acme');
  const { epoch, publicKey } = await loadIdentity(store, box);
  const day = 86_400_000;
  const key = (id: string, used: number | null) => ({
    ...{ id, tenant_id: tenant.id, created_at: 1, expires_at: store.now() + day, used_at: used },
    ...{ name: null, user_id: null, secret_hash: id },
  });
  await store.db
    .insertInto('enrolment_keys')
    .values([key('open', null), key('used', 5)])
    .execute();
  assert.equal(await beginAfterRestore(store), null);
  assert.equal((await loadIdentity(store, box)).epoch, epoch, 'a database that is no copy goes on as it is');

  await store.db.insertInto('meta').values({ key: copyMarker, value: '2026-11-29T12:00:00.000Z' }).execute();
  assert.equal(await beginAfterRestore(store), '2026-11-29T12:00:00.000Z');
  const after = await loadIdentity(store, box);
  assert.notEqual(after.epoch, epoch);
  assert.equal(after.publicKey, publicKey);
  assert.equal(await beginAfterRestore(store), null);
  assert.equal((await loadIdentity(store, box)).epoch, after.epoch, 'once');

  const rows = await store.db.selectFrom('enrolment_keys').select(['id', 'expires_at']).execute();
  const left = new Map(rows.map(({ id, expires_at }) => [id, expires_at > store.now()]));
  assert.deepEqual([left.get('open'), left.get('used')], [false, true]);
  const events = await store.db
    .selectFrom('audit_events')
    .select('action')
    .where('tenant_id', '=', tenant.id)
    .execute();
  assert.equal(events.filter(({ action }) => action === 'restore backup').length, 1);
});
