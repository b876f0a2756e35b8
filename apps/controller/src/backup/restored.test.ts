import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createTenant } from '../features/tenants/commands.ts';
import { createSecretBox } from '../secrets/box.ts';
import { loadIdentity } from '../secrets/identity.ts';
import { Browser, goodPassword, makeLink, signInOwner, signInUser } from '../testing/browser.ts';
import { openTestApp, openTestStore } from '../testing/harness.ts';
import { mailBy, startSmtp } from '../testing/smtp.ts';
import { copyMarker } from './marker.ts';
import { beginAfterRestore } from './restored.ts';

const box = createSecretBox(Buffer.alloc(32, 1));
const operator = { kind: 'operator', id: null, name: 'operator' } as const;

test('a copy begins one new epoch, ends open enrolment keys, and leaves a note for each tenant', async (t) => {
  const store = await openTestStore(t);
  const { tenant } = await createTenant(store, operator, 'acme');
  const { epoch, key: signingKey } = await loadIdentity(store, box);
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
  assert.equal(after.key.publicKey, signingKey.publicKey);
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

test('sessions, links, mails and requests of a copy do not work after the restore', async (t) => {
  const smtp = await startSmtp(t);
  const app = await openTestApp(t, { mail: mailBy(smtp) });
  const owner = await signInOwner(app);
  const { browser, id } = await signInUser(app, 'jane@example.com');
  await app.app.mail.deliver();
  await app.app.mail.stop();
  const sent = smtp.taken.length;
  const link = await makeLink(app, 'PASSWORD', id);
  await app.request('POST', '/tenants/users', { body: { email: 'late@example.com', groups: [] } });
  const forgotten = { tenant: 'first', email: 'jane@example.com' };
  assert.equal((await new Browser(app).request('POST', '/sign-in/forgotten', forgotten)).status, 204);
  assert.equal((await browser.request('GET', '/tenants/me')).status, 200);

  await app.store.db.insertInto('meta').values({ key: copyMarker, value: '2026-11-29T12:00:00.000Z' }).execute();
  await beginAfterRestore(app.store);
  for (const one of [owner, browser]) assert.equal((await one.request('GET', '/tenants/me')).status, 401);
  assert.equal((await new Browser(app).request('POST', '/sign-in/links', { secret: link })).json.code, 'link_gone');
  const next = await openTestApp(t, { store: app.store, mail: mailBy(smtp) });
  await next.app.mail.deliver();
  assert.equal(smtp.taken.length, sent, 'nothing that waited in the copy is sent');
  const signIn = { tenant: 'first', email: 'jane@example.com', password: goodPassword };
  await new Browser(next).ok('POST', '/sign-in/password', signIn);
});
