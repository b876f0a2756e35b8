import assert from 'node:assert/strict';
import { test } from 'node:test';
import { localSmtp, startSmtp, textOf } from '../testing/smtp.ts';
import { type LetterText, plainName, writeLetter } from './letters.ts';
import { smtpServer } from './mail-server.ts';
import { readSender, readSmtpUrl } from './smtp-settings.ts';

const url = 'https://vpn.example.com/console/link#spl_x';
const at = Date.UTC(2026, 0, 15, 12);

const hostileNames = [
  'Acme\r\nBcc: victim@example.com',
  'Acme\nSubject: other',
  'https://evil.example/sign-in',
  'evil.example',
  'www.evil.example/sign-in',
  'mailto:thief@evil.example',
  'thief@evil.example',
  '<a href="https://evil.example">Acme</a>',
  '<script>alert(1)</script>',
  '=?utf-8?B?aHR0cHM6Ly9ldmlsLmV4YW1wbGU=?=',
  'evil\u3002example',
  'evil\uff0eexample',
  'https:\u2044\u2044evil\u2024example',
  '%0d%0aBcc:victim@example.com',
  '\u202Eelpmaxe.live',
  'x'.repeat(5000),
];

test('a hostile name makes neither a header nor a link', async (t) => {
  const smtp = await startSmtp(t);
  const server = smtpServer(localSmtp(smtp.port), { name: 'VPN', address: 'vpn@example.com' });
  for (const name of hostileNames) {
    const content = { kind: 'NOTICE', notice: 'SESSION', client: name, sourceIp: name } as const;
    for (const letter of [
      writeLetter({ kind: 'INVITATION', secret: 'x' }, { tenant: name, url, at }),
      writeLetter(content, { tenant: name, url, at }),
    ])
      await server.send({ ...letter, to: 'jane@example.com', messageId: '<1@example.com>' });
  }
  assert.equal(smtp.taken.length, hostileNames.length * 2);
  for (const mail of smtp.taken) {
    const headers = mail.raw.slice(0, mail.raw.indexOf('\r\n\r\n')).replaceAll(/\r\n[ \t]+/g, ' ');
    const names = headers.split('\r\n').map((line) => line.slice(0, line.indexOf(':')));
    assert.deepEqual(names.sort(), expectedHeaders, headers);
    assert.deepEqual(mail.to, ['jane@example.com']);
    assertOnlyOurLink(textOf(mail), mail.raw);
  }
});

const expectedHeaders = [
  'Auto-Submitted',
  'Content-Type',
  'Date',
  'From',
  'MIME-Version',
  'Message-ID',
  'Subject',
  'To',
].sort();

/** What mail programs turn into links: addresses with a scheme, host names, e-mail addresses. */
function assertOnlyOurLink(text: string, raw: string): void {
  const rest = text.replaceAll(url, '').replaceAll(/\d\d:\d\d UTC/g, '');
  assert.doesNotMatch(rest, /:\/\/|www\.|@|[\p{L}\d]\.[\p{L}]|mailto:/u, raw);
}

test('the HTML of a letter holds the link that is ours and no markup of a name', () => {
  for (const tenant of hostileNames) {
    const { html }: LetterText = writeLetter({ kind: 'FORGOTTEN', secret: 'x' }, { tenant, url, at });
    assert.deepEqual(
      [...html.matchAll(/(?:href|src)="([^"]*)"/g)].map(([, target]) => target),
      [url],
    );
    assert.deepEqual([...new Set([...html.matchAll(/<([a-z]+)/g)].map(([, tag]) => tag))].sort(), [
      'a',
      'body',
      'head',
      'html',
      'meta',
      'p',
      'title',
    ]);
  }
});

test('a link with many hyphens arrives whole', async (t) => {
  const smtp = await startSmtp(t);
  const server = smtpServer(localSmtp(smtp.port), { name: 'VPN', address: 'vpn@example.com' });
  const secrets = ['a-'.repeat(21), '-'.repeat(43), `${'a'.repeat(30)}-${'b'.repeat(12)}`, '_-'.repeat(21)];
  for (const secret of secrets) {
    const link = `https://a-rather-long-name.vpn.example.com/console/link#spl_${secret}`;
    const letter = writeLetter({ kind: 'INVITATION', secret }, { tenant: 'Acme', url: link, at });
    await server.send({ ...letter, to: 'jane@example.com', messageId: '<1@example.com>' });
    const mail = smtp.taken.at(-1);
    assert.ok(mail !== undefined && textOf(mail).split(/\r?\n/).includes(link), mail?.raw);
    assert.doesNotMatch(mail.raw, /format=flowed/);
  }
});

test('usual names stay as they are', () => {
  for (const name of ['Acme', "O'Neill & Söhne", 'Büro (Zürich)', '株式会社', 'École 2-4'])
    assert.equal(plainName(name), name.normalize('NFKC'));
  assert.equal(plainName('Acme, Inc.'), 'Acme Inc');
});

test('an address of a mail server is read, or refused without being repeated', () => {
  assert.deepEqual(readSmtpUrl('smtp://user:p%40ss@mail.example.com'), {
    ...{ host: 'mail.example.com', port: 587, implicitTls: false, plain: false },
    login: { user: 'user', password: 'p@ss' },
  });
  assert.deepEqual(readSmtpUrl('smtps://mail.example.com:4650/'), {
    ...{ host: 'mail.example.com', port: 4650, implicitTls: true, plain: false, login: null },
  });
  for (const host of ['127.0.0.1', '[::1]', 'localhost'])
    assert.equal((readSmtpUrl(`smtp://${host}:25`) as { plain: boolean }).plain, true, host);
  assert.equal((readSmtpUrl('smtps://localhost') as { plain: boolean }).plain, false);
  for (const wrong of [
    'mail.example.com',
    'http://mail.example.com',
    'smtp://',
    'smtp://user@mail.example.com',
    'smtp://mail.example.com/x',
    'smtp://u:hunter2%0d%0aRSET@mail.example.com',
    'smtp://u:hunter2%zz@mail.example.com',
    'smtp://u:hunter2@mail.example.com?x=1',
    'smtp://:hunter2@mail.example.com',
  ]) {
    const read = readSmtpUrl(wrong);
    assert.ok('refusal' in read, wrong);
    assert.doesNotMatch(read.refusal, /hunter2/);
  }
});

test('a sender is an address with an optional name', () => {
  assert.deepEqual(readSender('vpn@example.com'), { name: '', address: 'vpn@example.com' });
  assert.deepEqual(readSender('Example VPN <vpn@example.com>'), { name: 'Example VPN', address: 'vpn@example.com' });
  for (const wrong of [
    '',
    'vpn',
    'a <b>',
    'a@b.c, d@e.f',
    'x <vpn@example.com> y',
    'x\r\nBcc: a@b.cc <vpn@example.com>',
  ])
    assert.equal(readSender(wrong), null, wrong);
});
