import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { selfSigned } from '../testing/certificates.ts';
import { localSmtp, startRawServer, startSmtp, textOf } from '../testing/smtp.ts';
import { type Letter, MailFailure, smtpServer } from './mail-server.ts';
import type { SmtpSettings } from './smtp-settings.ts';

const sender = { name: 'Example VPN', address: 'vpn@example.com' };
const letter: Letter = {
  to: 'jane@example.com',
  subject: 'Hello',
  text: 'A text with ümlauts\n',
  html: '<p>A text</p>',
  messageId: '<1@example.com>',
};

function certificate(t: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-smtp-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return selfSigned(folder, 'localhost');
}

/** As for a server elsewhere: TLS is required. */
const remote = (port: number, settings: Partial<SmtpSettings> = {}): SmtpSettings => ({
  ...{ host: 'localhost', port, implicitTls: false, plain: false, login: null },
  ...settings,
});

async function failureOf(send: Promise<void>): Promise<MailFailure> {
  const failure = await send.then(
    () => assert.fail('the mail was taken'),
    (error: unknown) => error,
  );
  assert.ok(failure instanceof MailFailure, String(failure));
  return failure;
}

test('a mail goes out over STARTTLS with user and password, as text and as HTML', async (t) => {
  const files = certificate(t);
  const logins: unknown[] = [];
  const onAuth: NonNullable<Parameters<typeof startSmtp>[1]>['onAuth'] = ({ username, password }, session, done) => {
    logins.push([username, password, session.secure]);
    done(null, { user: username });
  };
  const smtp = await startSmtp(t, { onAuth, authOptional: false }, files);
  const login = { user: 'vpn@example.com', password: 'p@ss word' };
  const server = smtpServer(remote(smtp.port, { login }), sender, { tls: { ca: readFileSync(files.cert) } });
  await server.send(letter);
  assert.deepEqual(logins, [['vpn@example.com', 'p@ss word', true]]);
  const [mail] = smtp.taken;
  assert.deepEqual([mail?.from, mail?.to], ['vpn@example.com', ['jane@example.com']]);
  assert.match(mail?.raw ?? '', /^From: Example VPN <vpn@example\.com>\r$/m);
  assert.match(mail?.raw ?? '', /^Message-ID: <1@example\.com>\r$/m);
  assert.match(mail?.raw ?? '', /^Auto-Submitted: auto-generated\r$/m);
  assert.match(mail?.raw ?? '', /text\/html/);
  assert.match(mail === undefined ? '' : textOf(mail), /ümlauts/);
});

test('a mail goes out over TLS from the first byte', async (t) => {
  const files = certificate(t);
  const smtp = await startSmtp(t, { secure: true }, files);
  const settings = remote(smtp.port, { implicitTls: true });
  await smtpServer(settings, sender, { tls: { ca: readFileSync(files.cert) } }).send(letter);
  assert.equal(smtp.taken.length, 1);
});

test('a server elsewhere without STARTTLS gets neither password nor mail', async (t) => {
  const commands: string[] = [];
  const port = await startRawServer(t, (socket) => {
    socket.write('220 mail.example.com ready\r\n');
    socket.on('data', (data) => {
      commands.push(data.toString());
      socket.write(/^EHLO/.test(data.toString()) ? '250-mail\r\n250 AUTH PLAIN LOGIN\r\n' : '502 no\r\n');
    });
  });
  const settings = remote(port, { login: { user: 'u', password: 'secret-password' } });
  const failure = await failureOf(smtpServer(settings, sender).send(letter));
  assert.deepEqual([failure.kind, /offers no STARTTLS/.test(failure.message)], ['server', true], failure.message);
  assert.doesNotMatch(commands.join(''), /AUTH|MAIL FROM|secret-password/);
});

test('a certificate that is not trusted, or of another host, gets neither password nor mail', async (t) => {
  const files = certificate(t);
  const smtp = await startSmtp(t, {}, files);
  const untrusted = await failureOf(smtpServer(remote(smtp.port), sender).send(letter));
  const elsewhere = remote(smtp.port, { host: '127.0.0.1' });
  const trusted = { tls: { ca: readFileSync(files.cert) } };
  const other = await failureOf(smtpServer(elsewhere, sender, trusted).send(letter));
  for (const failure of [untrusted, other]) assert.match(failure.message, /No safe connection to the mail server/);
  assert.equal(smtp.taken.length, 0);
});

test('a server on this machine is used in clear text', async (t) => {
  const smtp = await startSmtp(t);
  await smtpServer(localSmtp(smtp.port), sender).send(letter);
  assert.equal(smtp.taken.length, 1);
});

test('a refused login is a failure of the server, and no text of it has the password', async (t) => {
  const onAuth: NonNullable<Parameters<typeof startSmtp>[1]>['onAuth'] = (_auth, _session, done) =>
    done(new Error('Invalid username or password'));
  const smtp = await startSmtp(t, { onAuth, allowInsecureAuth: true });
  const settings = { ...localSmtp(smtp.port), login: { user: 'user', password: 'secret-password' } };
  const failure = await failureOf(smtpServer(settings, sender).send(letter));
  assert.deepEqual(
    [failure.kind, failure.message],
    ['server', 'The mail server refuses the user or the password (535)'],
  );
  const coded = Buffer.from('secret-password').toString('base64').slice(2, -2);
  assert.doesNotMatch(JSON.stringify(failure.facts), new RegExp(`secret-password|${coded}`));
});

test('a refused recipient is final with 550 and is tried again with 450', async (t) => {
  const refuseWith = (responseCode: number) => ({
    onRcptTo: (_address: unknown, _session: unknown, done: (error: Error) => void) =>
      done(Object.assign(new Error('no'), { responseCode })),
  });
  const never = await failureOf(smtpServer(localSmtp((await startSmtp(t, refuseWith(550))).port), sender).send(letter));
  assert.deepEqual([never.kind, never.message], ['never', 'The mail server refuses the recipient (550)']);
  const later = await failureOf(smtpServer(localSmtp((await startSmtp(t, refuseWith(450))).port), sender).send(letter));
  assert.deepEqual([later.kind, later.message], ['later', 'The mail server refuses the recipient for now (450)']);
});

test('nobody listens: a failure of the server', async (t) => {
  const smtp = await startSmtp(t);
  await smtp.close();
  const failure = await failureOf(smtpServer(localSmtp(smtp.port), sender).send(letter));
  assert.deepEqual([failure.kind, failure.message], ['server', 'The connection to the mail server failed']);
});

test('a connection that ends in the middle of the mail is a failure of the server', async (t) => {
  const port = await startRawServer(t, (socket) => {
    socket.write('220 ready\r\n');
    socket.on('data', (data) => {
      const text = data.toString();
      if (/^DATA/.test(text)) socket.write('354 go on\r\n');
      else if (/Subject/.test(text)) socket.destroy();
      else socket.write('250 ok\r\n');
    });
  });
  const failure = await failureOf(smtpServer(localSmtp(port), sender).send(letter));
  assert.equal(failure.kind, 'server');
});

for (const [what, talk] of [
  ['says nothing', () => undefined],
  [
    'sends a greeting without an end, a piece at a time',
    (socket) => {
      const timer = setInterval(() => socket.write('220-wait\r\n'), 20);
      socket.on('close', () => clearInterval(timer));
    },
  ],
] as [string, Parameters<typeof startRawServer>[1]][])
  test(`a server that ${what} ends at the deadline`, async (t) => {
    const port = await startRawServer(t, talk);
    const failure = await failureOf(smtpServer(localSmtp(port), sender, { timeoutMs: 300 }).send(letter));
    assert.deepEqual([failure.kind, failure.message], ['server', 'The mail server did not answer in time']);
  });

test('a server that answers without end fills no memory', async (t) => {
  let ended = false;
  const port = await startRawServer(t, (socket) => {
    const line = `220-${'x'.repeat(1000)}\r\n`;
    const more = () => {
      while (!socket.destroyed && socket.write(line));
    };
    socket.on('drain', more);
    socket.on('close', () => {
      ended = true;
    });
    more();
  });
  const failure = await failureOf(smtpServer(localSmtp(port), sender).send(letter));
  assert.equal(failure.kind, 'server');
  assert.ok(ended || failure.message !== 'The mail server did not answer in time', failure.message);
});
