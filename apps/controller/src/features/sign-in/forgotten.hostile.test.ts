import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { TOTP } from 'otpauth';
import { Browser, goodPassword, signInOwner, signInUser } from '../../testing/browser.ts';
import { openTestApp, type TestApp } from '../../testing/harness.ts';
import { mailBy, secretIn, startSmtp, textOf } from '../../testing/smtp.ts';
import { openCountingStore } from '../../testing/statements.ts';

const otherPassword = 'harbour lantern velvet';

async function openWithMail(t: TestContext) {
  const smtp = await startSmtp(t);
  const app = await openTestApp(t, { mail: mailBy(smtp) });
  return { app, smtp };
}

const ask = (app: TestApp, email: string, tenant = 'first', headers: Record<string, string> = {}) =>
  new Browser(app).request('POST', '/sign-in/forgotten', { tenant, email }, headers);

/** The mails to a person with a new password. */
async function passwordMails(app: TestApp, smtp: Awaited<ReturnType<typeof startSmtp>>) {
  await app.app.mail.deliver();
  return smtp.taken.filter(({ raw }) => /^Subject: New password for /m.test(raw));
}

async function addTotp(app: TestApp, browser: Browser) {
  const { attempt, secret } = await browser.ok('POST', '/tenants/me/methods/totp/offer');
  const codeAt = (at: number) => new TOTP({ secret }).generate({ timestamp: at });
  const { codes } = await browser.ok('PUT', '/tenants/me/methods/totp', { attempt, code: codeAt(app.clock.now) });
  app.clock.now += 60_000;
  return { code: () => codeAt(app.clock.now), recovery: codes as string[] };
}

test('a forgotten password is replaced by a mailed link, once, and every session ends', async (t) => {
  const { app, smtp } = await openWithMail(t);
  const { browser: old } = await signInUser(app, 'jane@example.com');
  assert.equal((await ask(app, 'JANE@example.com')).status, 204);
  const [mail] = await passwordMails(app, smtp);
  const secret = secretIn(mail);
  const fresh = new Browser(app);
  const opened = await fresh.ok('POST', '/sign-in/links', { secret });
  assert.deepEqual([opened.purpose, opened.methods, opened.secondFactor], ['PASSWORD', ['PASSWORD'], false]);
  await fresh.ok('POST', '/sign-in/links/password', { secret, password: otherPassword });
  assert.equal((await old.request('GET', '/tenants/me')).status, 401);
  const again = { secret, password: goodPassword };
  assert.equal((await new Browser(app).request('POST', '/sign-in/links/password', again)).json.code, 'link_gone');
  const signIn = { tenant: 'first', email: 'jane@example.com', password: otherPassword };
  await new Browser(app).ok('POST', '/sign-in/password', signIn);
});

test('the answer and the work are the same for accounts that exist, do not exist, or cannot sign in', async (t) => {
  const { store, statements } = await openCountingStore(t);
  const smtp = await startSmtp(t);
  const app = await openTestApp(t, { store, mail: mailBy(smtp) });
  await signInUser(app, 'jane@example.com');
  const left = await signInUser(app, 'left@example.com');
  await app.request('PATCH', `/tenants/users/${left.id}/deactivate`);
  await app.request('POST', '/tenants/users', { body: { email: 'invited@example.com', groups: [] } });
  await app.app.mail.deliver();
  await app.app.mail.stop();
  const kinds = [];
  for (const [email, tenant] of [
    ['jane@example.com', 'first'],
    ['nobody@example.com', 'first'],
    ['left@example.com', 'first'],
    ['invited@example.com', 'first'],
  ] as const) {
    const before = statements();
    const answer = await ask(app, email, tenant);
    const { date: _, 'x-request-id': __, ...headers } = answer.headers;
    const work = statements() - before;
    assert.ok(work > 0);
    kinds.push(JSON.stringify([answer.status, answer.text, Object.keys(headers).sort(), work]));
  }
  assert.equal(new Set(kinds).size, 1, kinds.join('\n'));
  const next = await openTestApp(t, { store: app.store, mail: mailBy(smtp) });
  const mails = await passwordMails(next, smtp);
  assert.deepEqual(
    mails.map(({ to }) => to[0]),
    ['jane@example.com'],
  );
});

test('an account whose only way in is a passkey gets no mail', async (t) => {
  const { app, smtp } = await openWithMail(t);
  const { id } = await signInUser(app, 'jane@example.com');
  await app.store.db.updateTable('sign_in_methods').set({ kind: 'PASSKEY' }).where('user_id', '=', id).execute();
  assert.equal((await ask(app, 'jane@example.com')).status, 204);
  assert.deepEqual(await passwordMails(app, smtp), []);
});

test('a mailbox alone does not pass by the second factor', async (t) => {
  const { app, smtp } = await openWithMail(t);
  const { browser } = await signInUser(app, 'jane@example.com');
  const totp = await addTotp(app, browser);
  await ask(app, 'jane@example.com');
  const secret = secretIn((await passwordMails(app, smtp))[0]);
  const thief = new Browser(app);
  const use = (body: object) =>
    thief.request('POST', '/sign-in/links/password', { secret, password: otherPassword, ...body });
  assert.equal((await thief.ok('POST', '/sign-in/links', { secret })).secondFactor, true);
  assert.equal((await use({})).json.code, 'second_factor_required');
  const passkey = await thief.request('POST', '/sign-in/links/passkey/options', { secret });
  assert.equal(passkey.json.code, 'method_not_allowed_here');
  for (let i = 0; i < 10; i++) assert.equal((await use({ code: '000000' })).json.code, 'sign_in_failed');
  assert.equal((await use({ code: totp.code() })).json.code, 'rate_limited', 'guesses of the code are limited');
  assert.equal(thief.token, null);
  app.clock.now += 16 * 60_000;
  assert.equal((await use({ code: totp.code() })).status, 200);
});

test('a recovery code stands in for the authenticator app, once', async (t) => {
  const { app, smtp } = await openWithMail(t);
  const { browser } = await signInUser(app, 'jane@example.com');
  const { recovery } = await addTotp(app, browser);
  const [code = ''] = recovery;
  for (const [i, expected] of [200, 401].entries()) {
    await ask(app, 'jane@example.com');
    const secret = secretIn((await passwordMails(app, smtp))[i]);
    const body = { secret, password: otherPassword, code };
    assert.equal((await new Browser(app).request('POST', '/sign-in/links/password', body)).status, expected);
  }
});

test('ten requests at once for one link let one person in', async (t) => {
  const { app, smtp } = await openWithMail(t);
  await signInUser(app, 'jane@example.com');
  await ask(app, 'jane@example.com');
  const secret = secretIn((await passwordMails(app, smtp))[0]);
  const body = { secret, password: otherPassword };
  const answers = await Promise.all(
    Array.from({ length: 10 }, () => new Browser(app).request('POST', '/sign-in/links/password', body)),
  );
  assert.equal(answers.filter(({ status }) => status === 200).length, 1, answers.map(({ text }) => text).join('\n'));
});

test('requests are limited per account, whatever its letter case and tenant, and per source', async (t) => {
  const { app, smtp } = await openWithMail(t);
  await signInUser(app, 'jane@example.com');
  const spellings = ['jane@example.com', 'Jane@example.com', 'JANE@EXAMPLE.COM', 'jane@EXAMPLE.com'];
  const statuses = [];
  for (const email of spellings) statuses.push((await ask(app, email)).status);
  assert.deepEqual(statuses, [204, 204, 204, 429]);
  assert.equal((await ask(app, 'nobody@example.com')).status, 204);
  const refused = [];
  for (let i = 0; i < 25; i++) refused.push((await ask(app, `user${i}@example.com`)).status);
  assert.deepEqual([refused.at(0), refused.at(-1)], [204, 429]);
  assert.ok((await passwordMails(app, smtp)).length <= 3);
});

test('hosts of one IPv6 network share a limit, and others do not', async (t) => {
  const smtp = await startSmtp(t);
  const app = await openTestApp(t, { mail: mailBy(smtp), trustedProxies: ['127.0.0.1'] });
  const from = (address: string, i: number) =>
    ask(app, `user${address}${i}@example.com`.replaceAll(':', '-'), 'first', { 'x-forwarded-for': address });
  const statuses = [];
  for (let i = 0; i < 21; i++) statuses.push((await from(`2001:db8::${i + 1}`, i)).status);
  assert.deepEqual(statuses.slice(-2), [204, 429]);
  assert.equal((await from('2001:db8:1::1', 0)).status, 204);
});

test('a request ends no link that an administrator handed over to another person, nor the invitation of a user', async (t) => {
  const { app, smtp } = await openWithMail(t);
  const { json } = await app.request('POST', '/tenants/users', { body: { email: 'invited@example.com', groups: [] } });
  const { url } = (await app.request('POST', `/tenants/users/${json.id}/invitation-link`)).json;
  await ask(app, 'invited@example.com');
  assert.deepEqual(await passwordMails(app, smtp), []);
  await new Browser(app).ok('POST', '/sign-in/links', { secret: url.slice(url.indexOf('#') + 1) });
});

test('another site cannot ask in the name of a person', async (t) => {
  const { app } = await openWithMail(t);
  const answer = await ask(app, 'jane@example.com', 'first', { 'sec-fetch-site': 'cross-site' });
  assert.equal(answer.json.code, 'cross_site');
});

test('people are told of a new password, a removed method, and of sign-ins from a new place where the tenant wants it', async (t) => {
  const { app, smtp } = await openWithMail(t);
  const owner = await signInOwner(app);
  const { browser } = await signInUser(app, 'jane@example.com');
  const subjects = async () => {
    await app.app.mail.deliver();
    const own = smtp.taken.filter(({ to }) => to[0] === 'jane@example.com');
    return own
      .map(({ raw }) => /^Subject: (.*)\r$/m.exec(raw)?.[1])
      .filter((subject) => !/invited/.test(subject ?? ''));
  };
  await browser.ok('PUT', '/tenants/me/methods/password', { password: otherPassword });
  assert.deepEqual(await subjects(), ['New password at First']);
  const [notice] = smtp.taken.slice(-1);
  assert.match(notice === undefined ? '' : textOf(notice), /Program: Test browser/);
  const signIn = { tenant: 'first', email: 'jane@example.com', password: otherPassword };
  await new Browser(app).ok('POST', '/sign-in/password', signIn);
  await owner.ok('PATCH', '/tenants/sign-in-settings', { notices: ['METHODS', 'SESSIONS'] });
  await new Browser(app).ok('POST', '/sign-in/password', signIn);
  assert.equal((await subjects()).length, 1, 'the same browser is no news');
  const elsewhere = { 'user-agent': 'Another browser' };
  assert.equal((await new Browser(app).request('POST', '/sign-in/password', signIn, elsewhere)).status, 200);
  assert.deepEqual(await subjects(), ['New password at First', 'Sign-in from a new place at First']);
  await owner.ok('PATCH', '/tenants/sign-in-settings', { notices: [] });
  await browser.ok('PUT', '/tenants/me/methods/password', { password: goodPassword });
  assert.equal((await subjects()).length, 2);
});
