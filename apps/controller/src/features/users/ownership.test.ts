import assert from 'node:assert/strict';
import { test } from 'node:test';
import { signInOwner, signInUser } from '../../testing/browser.ts';
import { openTestApp } from '../../testing/harness.ts';

const role = async (browser: Awaited<ReturnType<typeof signInOwner>>) => (await browser.ok('GET', '/tenants/me')).role;

test('the owner hands the tenant over and becomes an administrator, on the record', async (t) => {
  const app = await openTestApp(t);
  const owner = await signInOwner(app);
  const { browser: next, id } = await signInUser(app, 'next@example.com');
  assert.equal((await owner.request('POST', `/tenants/users/${id}/transfer-ownership`)).status, 204);
  assert.deepEqual([await role(owner), await role(next)], ['ADMIN', 'OWNER']);
  const back = await owner.request('POST', `/tenants/users/${id}/transfer-ownership`);
  assert.equal(back.json.code, 'forbidden');
  const audit = await app.request('GET', '/tenants/audit-events?limit=100');
  assert.match(audit.text, /transferOwnership/);
});

test('only the owner, freshly signed in, hands over, and only to somebody who can sign in', async (t) => {
  const app = await openTestApp(t);
  const owner = await signInOwner(app);
  const { browser: admin, id } = await signInUser(app, 'admin@example.com', 'ADMIN');
  const path = `/tenants/users/${id}/transfer-ownership`;
  assert.equal((await admin.request('POST', path)).json.code, 'forbidden');
  const { json: invited } = await app.request('POST', '/tenants/users', {
    body: { email: 'x@example.com', groups: [] },
  });
  const early = await owner.request('POST', `/tenants/users/${invited.id}/transfer-ownership`);
  assert.equal(early.json.code, 'not_active');
  await app.request('POST', `/tenants/users/${id}/reset-sign-in`);
  assert.equal((await owner.request('POST', path)).json.code, 'not_active');
  app.clock.now += 10 * 60_000;
  assert.equal((await owner.request('POST', path)).json.code, 'fresh_sign_in_required');
  assert.equal(await role(owner), 'OWNER');
});

test('an API key of the role OWNER hands over', async (t) => {
  const app = await openTestApp(t);
  const owner = await signInOwner(app);
  const { browser: next, id } = await signInUser(app, 'next@example.com');
  assert.equal((await app.request('POST', `/tenants/users/${id}/transfer-ownership`)).status, 204);
  assert.deepEqual([await role(owner), await role(next)], ['ADMIN', 'OWNER']);
});
