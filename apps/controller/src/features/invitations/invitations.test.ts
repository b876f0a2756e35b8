import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Browser, goodPassword, signInOwner, signInUser } from '../../testing/browser.ts';
import { openTestApp, type TestApp } from '../../testing/harness.ts';

const week = 7 * 24 * 3600_000;

async function invite(app: TestApp, email: string): Promise<string> {
  return (await app.request('POST', '/tenants/users', { body: { email, groups: [] } })).json.id;
}

const listed = async (app: TestApp) => (await app.request('GET', '/tenants/invitations')).json;

const open = (url: string) => ({ secret: url.slice(url.indexOf('#') + 1) });

test('the list shows invitations that were not accepted, with who made the link and when it ends', async (t) => {
  const app = await openTestApp(t);
  const owner = await signInOwner(app);
  await signInUser(app, 'accepted@example.com');
  const id = await invite(app, 'jane@example.com');
  assert.deepEqual((await listed(app)).data, [
    {
      user: { id, email: 'jane@example.com' },
      status: 'INVITED',
      expiresAt: new Date(app.clock.now + week).toISOString(),
    },
  ]);
  app.clock.now += 60_000;
  const { expiresAt } = await owner.ok('POST', `/tenants/users/${id}/invitation-link`);
  const [invitation] = (await listed(app)).data;
  const createdAt = new Date(app.clock.now).toISOString();
  assert.deepEqual(invitation.link, { createdAt, expiresAt, createdBy: 'owner@example.com' });
  assert.equal(invitation.expiresAt, expiresAt);
});

test('an expired invitation stays in the list, and a new link renews it', async (t) => {
  const app = await openTestApp(t);
  const id = await invite(app, 'jane@example.com');
  await app.request('POST', `/tenants/users/${id}/invitation-link`);
  app.clock.now += week;
  const [expired] = (await listed(app)).data;
  assert.deepEqual([expired.status, expired.link], ['EXPIRED', undefined]);
  await app.request('POST', `/tenants/users/${id}/invitation-link`);
  assert.equal((await listed(app)).data[0].status, 'INVITED');
});

test('a revoked invitation ends its link, and the user can be invited again', async (t) => {
  const app = await openTestApp(t);
  const id = await invite(app, 'jane@example.com');
  const { url } = (await app.request('POST', `/tenants/users/${id}/invitation-link`)).json;
  for (let i = 0; i < 2; i++)
    assert.equal((await app.request('DELETE', `/tenants/users/${id}/invitation-link`)).status, 204);
  assert.equal((await new Browser(app).request('POST', '/sign-in/links', open(url))).json.code, 'link_gone');
  assert.equal((await app.request('GET', `/tenants/users/${id}`)).json.status, 'EXPIRED');
  const [event] = (await app.request('GET', '/tenants/audit-events?limit=1')).json.data;
  assert.deepEqual([event.action, event.after.invitation], ['revokeInvitation', 'revoked']);

  const again = (await app.request('POST', `/tenants/users/${id}/invitation-link`)).json;
  const body = { ...open(again.url), password: goodPassword };
  await new Browser(app).ok('POST', '/sign-in/links/password', body);
  const late = await app.request('DELETE', `/tenants/users/${id}/invitation-link`);
  assert.deepEqual([late.status, late.json.code], [409, 'not_invited']);
});

test('a link that somebody opens while it is revoked is either used or ended, never both', async (t) => {
  const app = await openTestApp(t);
  const id = await invite(app, 'jane@example.com');
  const { url } = (await app.request('POST', `/tenants/users/${id}/invitation-link`)).json;
  const use = new Browser(app).request('POST', '/sign-in/links/password', { ...open(url), password: goodPassword });
  const [used, revoked] = await Promise.all([use, app.request('DELETE', `/tenants/users/${id}/invitation-link`)]);
  assert.deepEqual([used.status, revoked.status].sort(), used.status === 200 ? [200, 409] : [204, 410]);
});

test('pages of invitations count them all, and an administrator of another tenant sees none', async (t) => {
  const app = await openTestApp(t);
  for (let i = 0; i < 3; i++) await invite(app, `user${i}@example.com`);
  const page = (await app.request('GET', '/tenants/invitations?limit=2&offset=2')).json;
  assert.deepEqual([page.data.length, page.total, page.hasNext, page.hasPrevious], [1, 3, false, true]);
  const other = await app.request('GET', '/tenants/invitations', { key: app.other.key });
  assert.equal(other.json.total, 0);
});
