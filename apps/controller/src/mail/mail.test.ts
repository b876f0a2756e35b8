import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { Browser, goodPassword, signInOwner, signInUser } from '../testing/browser.ts';
import { openTestApp, type TestApp } from '../testing/harness.ts';
import { mailBy, secretIn, startSmtp, type TestSmtp, textOf } from '../testing/smtp.ts';
import type { MailService } from './types.ts';

async function openWithMail(t: TestContext, smtp?: TestSmtp) {
  const server = smtp ?? (await startSmtp(t));
  return { smtp: server, app: await openTestApp(t, { mail: mailBy(server) }) };
}

async function invite(app: TestApp, email = 'jane@example.com'): Promise<string> {
  const answer = await app.request('POST', '/tenants/users', { body: { email, groups: [] } });
  assert.equal(answer.status, 201, answer.text);
  return answer.json.id;
}

/** Fails when the try is ended. */
const ended = (signal: AbortSignal | undefined) =>
  new Promise<void>((_, reject) => signal?.addEventListener('abort', () => reject(new Error('ended'))));

const mailOf = async (app: TestApp) => (await app.request('GET', '/tenants/invitations')).json.data[0].mail;
const status = async (app: TestApp) => (await app.request('GET', '/tenants/mail')).json;

test('inviting a user mails a link that sets up the sign-in, and the list says that it was sent', async (t) => {
  const { app, smtp } = await openWithMail(t);
  await invite(app);
  await app.app.mail.deliver();
  assert.equal((await mailOf(app)).state, 'SENT');
  const [mail] = smtp.taken;
  assert.deepEqual(mail?.to, ['jane@example.com']);
  assert.match(mail?.raw ?? '', /^Subject: You are invited to First\r$/m);
  assert.match(mail === undefined ? '' : textOf(mail), /http:\/\/localhost:8080\/console\/link#spl_/);
  const browser = new Browser(app);
  await browser.ok('POST', '/sign-in/links/password', { secret: secretIn(mail), password: goodPassword });
  assert.equal((await browser.ok('GET', '/tenants/me')).email, 'jane@example.com');
});

test('a link is mailed again on demand: the answer says so, and only the newest link works', async (t) => {
  const { app, smtp } = await openWithMail(t);
  const id = await invite(app);
  await app.app.mail.deliver();
  const { mailedTo } = (await app.request('POST', `/tenants/users/${id}/invitation-link`)).json;
  assert.equal(mailedTo, 'jane@example.com');
  await app.app.mail.deliver();
  assert.equal((await app.request('POST', `/tenants/users/${id}/invite`)).status, 201);
  await app.app.mail.deliver();
  const codes = [];
  for (const mail of smtp.taken) {
    const answer = await new Browser(app).request('POST', '/sign-in/links', { secret: secretIn(mail) });
    codes.push(answer.status);
  }
  assert.deepEqual(codes, [410, 410, 200]);
});

test('without a mail server nothing is written, and the answers say nothing of mail', async (t) => {
  const app = await openTestApp(t);
  const id = await invite(app);
  const link = (await app.request('POST', `/tenants/users/${id}/invitation-link`)).json;
  assert.deepEqual(Object.keys(link).sort(), ['expiresAt', 'url']);
  assert.deepEqual(await status(app), { enabled: false, mails: [] });
  assert.equal((await app.request('GET', '/sign-in', { key: null })).json.forgotPassword, false);
  const forgotten = { email: 'jane@example.com', tenant: 'first' };
  assert.equal((await new Browser(app).request('POST', '/sign-in/forgotten', forgotten)).json.code, 'mail_off');
  assert.equal((await app.request('POST', '/tenants/mail/test', { body: { user: id } })).json.code, 'mail_off');
});

test('a dry run of an invitation mails nothing', async (t) => {
  const { app, smtp } = await openWithMail(t);
  const body = { email: 'jane@example.com', groups: [] };
  assert.equal((await app.request('POST', '/tenants/users?dry-run=true', { body })).status, 200);
  await app.app.mail.deliver();
  assert.equal(smtp.taken.length, 0);
  assert.deepEqual((await status(app)).mails, []);
});

test('a server that is down delays mails and says why; they leave once it is back', async (t) => {
  const first = await startSmtp(t);
  const { app } = await openWithMail(t, first);
  await first.close();
  await invite(app);
  await app.app.mail.deliver();
  const waiting = await mailOf(app);
  assert.deepEqual([waiting.state, waiting.failure], ['WAITING', 'The connection to the mail server failed']);
  assert.equal((await status(app)).problem, 'The connection to the mail server failed');
  const back = await startSmtp(t, {}, null, first.port);
  await app.app.mail.deliver();
  assert.equal(back.taken.length, 0, 'not before the pause is over');
  app.clock.now += 60_000;
  await app.app.mail.deliver();
  assert.equal(back.taken.length, 1);
  assert.deepEqual([(await mailOf(app)).state, (await status(app)).problem], ['SENT', undefined]);
});

test('a refused recipient is given up with the reason, and keeps no other mail waiting', async (t) => {
  const smtp = await startSmtp(t, {
    onRcptTo: ({ address }, _session, done) =>
      done(address.startsWith('bad') ? Object.assign(new Error('unknown user'), { responseCode: 550 }) : null),
  });
  const { app } = await openWithMail(t, smtp);
  await invite(app, 'bad@example.com');
  await invite(app, 'good@example.com');
  await app.app.mail.deliver();
  const { mails } = await status(app);
  const outcome = mails.map(({ user, state, failure }: never) => [(user as { email: string }).email, state, failure]);
  assert.deepEqual(outcome, [
    ['good@example.com', 'SENT', undefined],
    ['bad@example.com', 'FAILED', 'The mail server refuses the recipient (550)'],
  ]);
});

test('a mail that nobody takes for a day is given up and forgets its link', async (t) => {
  const smtp = await startSmtp(t);
  const { app } = await openWithMail(t, smtp);
  await smtp.close();
  await invite(app);
  await app.app.mail.deliver();
  app.clock.now += 25 * 3600_000;
  await app.app.maintain();
  const given = await mailOf(app);
  assert.deepEqual([given.state, given.failure], ['FAILED', 'The connection to the mail server failed']);
  const rows = await app.store.db.selectFrom('mails').select('content').execute();
  assert.deepEqual(
    rows.map(({ content }) => content),
    [null],
  );
  app.clock.now += 31 * 24 * 3600_000;
  await app.app.maintain();
  assert.deepEqual((await status(app)).mails, []);
});

test('the mail of a link that was revoked or replaced is not sent', async (t) => {
  const smtp = await startSmtp(t);
  const { app } = await openWithMail(t, smtp);
  await smtp.close();
  const revoked = await invite(app, 'revoked@example.com');
  await app.app.mail.deliver();
  await app.request('DELETE', `/tenants/users/${revoked}/invitation-link`);
  const replaced = await invite(app, 'replaced@example.com');
  await app.request('POST', `/tenants/users/${replaced}/invitation-link`);
  const back = await startSmtp(t, {}, null, smtp.port);
  app.clock.now += 3600_000;
  await app.app.mail.deliver();
  assert.deepEqual(
    back.taken.map(({ to }) => to[0]),
    ['replaced@example.com'],
  );
});

test('a controller that was killed sends what it had written, and a stopped one begins no further mail', async (t) => {
  const smtp = await startSmtp(t);
  const app = await openTestApp(t);
  // The first controller dies before it sends anything: it writes with a server that is never asked.
  const silent: MailService = { from: 'vpn@example.com', server: { send: (_letter, signal) => ended(signal) } };
  const dead = await openTestApp(t, { store: app.store, mail: silent });
  const { json } = await dead.request('POST', '/tenants/users', { body: { email: 'jane@example.com', groups: [] } });
  assert.equal(json.status, 'INVITED');
  const next = await openTestApp(t, { store: app.store, mail: mailBy(smtp) });
  await next.app.mail.deliver();
  assert.deepEqual(
    smtp.taken.map(({ to }) => to),
    [['jane@example.com']],
  );
  await next.app.mail.stop();
  await next.request('POST', '/tenants/users', { body: { email: 'late@example.com', groups: [] } });
  await next.app.mail.deliver();
  assert.equal(smtp.taken.length, 1);
});

test('a mail that was changed in the database is given up and stops no other', async (t) => {
  const { app, smtp } = await openWithMail(t);
  await app.app.mail.stop();
  await invite(app, 'changed@example.com');
  await invite(app, 'good@example.com');
  const [changed] = await app.store.db.selectFrom('mails').select('id').orderBy('created_at').execute();
  await app.store.db
    .updateTable('mails')
    .set({ content: 'AAAA' })
    .where('id', '=', changed?.id ?? '')
    .execute();
  const next = await openTestApp(t, { store: app.store, mail: mailBy(smtp) });
  await next.app.mail.deliver();
  assert.deepEqual(
    smtp.taken.map(({ to }) => to),
    [['good@example.com']],
  );
});

test('the outbox in a stolen database holds no secret of a link', async (t) => {
  const smtp = await startSmtp(t);
  const { app } = await openWithMail(t, smtp);
  await smtp.close();
  const id = await invite(app);
  const { url } = (await app.request('POST', `/tenants/users/${id}/invitation-link`)).json;
  const secret = url.slice(url.indexOf('#') + 1);
  await new Browser(app).ok('POST', '/sign-in/forgotten', { tenant: 'first', email: 'thief-target@example.com' });
  const mails = await app.store.db.selectFrom('mails').selectAll().execute();
  assert.equal(mails.length, 2);
  assert.ok(!JSON.stringify(mails).includes(secret));
  const events = JSON.stringify(await app.store.db.selectFrom('audit_events').selectAll().execute());
  assert.ok(!events.includes(secret));
});

test('one person gets five links within an hour; the answer says that there was no further mail', async (t) => {
  const { app, smtp } = await openWithMail(t);
  const id = await invite(app);
  const answers = [];
  for (let i = 0; i < 6; i++) answers.push((await app.request('POST', `/tenants/users/${id}/invitation-link`)).json);
  assert.deepEqual(
    answers.map(({ mailedTo }) => mailedTo !== undefined),
    [true, true, true, true, false, false],
  );
  assert.match(answers[5].notMailed, /Too many mails/);
  await app.app.mail.deliver();
  assert.ok(smtp.taken.length <= 5);
  app.clock.now += 3601_000;
  assert.equal((await app.request('POST', `/tenants/users/${id}/invitation-link`)).json.mailedTo, 'jane@example.com');
});

test('an owner sends a test mail to a user of the tenant, to no other address, and ten times an hour', async (t) => {
  const { app, smtp } = await openWithMail(t);
  const owner = await signInOwner(app);
  assert.deepEqual(await owner.ok('POST', '/tenants/mail/test', {}), { sentTo: 'owner@example.com' });
  assert.match(smtp.taken[0]?.raw ?? '', /^Subject: Test mail of First\r$/m);
  const other = await signInOwner(app, 'other@example.com', app.other);
  const { id } = await other.ok('GET', '/tenants/me');
  const stranger = await owner.request('POST', '/tenants/mail/test', { user: id });
  assert.deepEqual([stranger.status, stranger.json.code], [400, 'invalid_reference']);
  for (let i = 0; i < 9; i++) await owner.ok('POST', '/tenants/mail/test', {});
  assert.equal((await owner.request('POST', '/tenants/mail/test', {})).json.code, 'rate_limited');
  const admin = await signInUser(app, 'admin@example.com', 'ADMIN');
  assert.equal((await admin.browser.request('POST', '/tenants/mail/test', {})).status, 403);
});

test('a test mail that the server refuses answers mail_failed with the reason', async (t) => {
  const smtp = await startSmtp(t, {
    onMailFrom: (_address, _session, done) => done(Object.assign(new Error('not you'), { responseCode: 553 })),
  });
  const { app } = await openWithMail(t, smtp);
  const owner = await signInOwner(app);
  const answer = await owner.request('POST', '/tenants/mail/test', {});
  assert.deepEqual(
    [answer.status, answer.json.code, answer.json.detail],
    [503, 'mail_failed', 'The mail server refuses the sender (553)'],
  );
});

test('a tenant with many mails does not keep another waiting', async (t) => {
  const smtp = await startSmtp(t);
  const { app } = await openWithMail(t, smtp);
  await smtp.close();
  const body = Array.from({ length: 60 }, (_, i) => ({ email: `user${i}@example.com`, groups: [] }));
  assert.equal((await app.request('POST', '/tenants/users', { body })).status, 201);
  const one = { email: 'single@example.org', groups: [] };
  assert.equal((await app.request('POST', '/tenants/users', { body: one, key: app.other.key })).status, 201);
  await app.app.mail.deliver();
  const back = await startSmtp(t, {}, null, smtp.port);
  app.clock.now += 3600_000;
  await app.app.mail.deliver();
  assert.equal(back.taken.length, 61);
  const place = back.taken.findIndex(({ to }) => to[0] === 'single@example.org');
  assert.ok(place < 2, `it left at place ${place}`);
});
