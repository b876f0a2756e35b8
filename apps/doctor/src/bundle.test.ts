import assert from 'node:assert/strict';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { bundleText, writeBundle } from './bundle.ts';
import { examine } from './examine.ts';
import { redact } from './redact.ts';
import { place, probeOf, status } from './testing/probe.ts';

const key = () => randomBytes(32).toString('base64');
const privateKey = generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();

/** One secret of each shape that this system has, or that stands near it. */
const secrets = {
  token: `sp1.${randomBytes(40).toString('base64url')}`,
  enrolmentKey: `spd_${randomBytes(32).toString('base64url')}`,
  apiKey: randomBytes(32).toString('hex'),
  wireguard: key(),
  preshared: key(),
  identity: randomBytes(48).toString('base64'),
  master: randomBytes(32).toString('hex'),
  password: 'correct horse',
  cookie: `sallyport=${randomBytes(8).toString('hex')}`,
  short: 'hunter2-hunter2',
  mail: 'p@ss word',
  bootstrap: 'words-of-an-operator',
};

const settings = `SALLYPORT_SMTP_URL="smtps://mailer:${encodeURIComponent(secrets.mail)}@mail.example.com"\nSALLYPORT_BOOTSTRAP_API_KEY=${secrets.bootstrap}\n`;

/** Puts every secret into a text, in every form in which programs print one. */
const everywhere = [
  `Nov 30 gateway[7]: token ${secrets.token} was refused`,
  `ExecStart=/usr/local/bin/sally --api-key=${secrets.apiKey}`,
  `SALLYPORT_SMTP_URL=smtp://mail:${secrets.short}@mail.example.com:587`,
  `SALLYPORT_TOKEN=${secrets.token}`,
  `SALLYPORT_BACKUP_PASSPHRASE="${secrets.password}"`,
  `{"password": "${secrets.password}", "presharedKey":"${secrets.preshared}"}`,
  `  private key: ${secrets.wireguard}`,
  `GET /console/link?secret=${secrets.short}&x=1#token=${secrets.short}`,
  `Authorization: Bearer ${secrets.apiKey}`,
  `cookie: ${secrets.cookie}`,
  `the identity ${secrets.identity} and the master key ${secrets.master}`,
  `enrolment ${secrets.enrolmentKey}`,
  privateKey,
  `mail: login of mailer with ${secrets.mail} failed`,
  `started with ${secrets.bootstrap}`,
].join('\n');

const hostile = probeOf({
  output: async () => everywhere,
  text: async (path) => {
    if (path === '/gateway/identity.json')
      return JSON.stringify({ identityPrivateKey: secrets.identity, wireguardPrivateKey: secrets.wireguard });
    if (path === '/etc/sallyport/controller.env') return settings;
    if (path === '/tls.key') return privateKey;
    if (path === '/data/master.key') return `${secrets.master}\n`;
    if (path === '/etc/sallyport/gateway.token') return `${secrets.token}\n`;
    return /identity\.json|enrolment\.key/.test(path) ? null : everywhere;
  },
  gatewayStatus: async () => ({ ...status, notes: [everywhere], failure: { code: 'x', message: everywhere } }),
  netcheck: async () => [everywhere],
  foreignDrops: async () => [{ text: everywhere, fix: everywhere }],
});

test('a support bundle holds no secret, wherever secrets stand on the host', async () => {
  const report = await examine(hostile, place);
  const text = await bundleText(hostile, place, report);
  for (const [name, secret] of Object.entries(secrets)) assert.ok(!text.includes(secret), `${name} is in the bundle`);
  for (const line of privateKey.split('\n').slice(1, -2)) assert.ok(!text.includes(line), 'a private key in PEM');
  // What support needs is still there.
  for (const part of ['=== sally doctor ===', '=== nft list ruleset ===', 'mail.example.com:587', 'gateway[7]'])
    assert.ok(text.includes(part), part);
});

test('addresses, rules and versions stay readable', () => {
  const plain = [
    'inet6 fd00:1234:5678:9abc:def0:1234:5678:9abc/64 scope global',
    'ip saddr 100.64.0.7 tcp dport { 443, 8443 } counter packets 123456789012 bytes 4567890123456 accept',
    'link/ether 52:54:00:12:34:56 brd ff:ff:ff:ff:ff:ff',
    '0193f3a1-7c2e-7b64-9d1f-5a0c4e8b21d7 sallyport-gateway.service /opt/sallyport/versions/1.2.3/bin/sally',
  ].join('\n');
  assert.equal(redact(plain), plain);
});

test('only its owner can read the file, and no other file is replaced', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-bundle-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'bundle.txt');
  const report = await examine(probeOf(), place);
  await writeBundle(file, probeOf(), place, report);
  assert.equal(statSync(file).mode & 0o777, 0o600);
  writeFileSync(file, 'mine');
  await assert.rejects(writeBundle(file, probeOf(), place, report), /it exists already/);
  assert.equal(readFileSync(file, 'utf8'), 'mine');
});
