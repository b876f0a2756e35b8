import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { configurationText, type PlainConfiguration } from './configuration.ts';
import { parseConfiguration } from './configuration-parse.ts';
import { WireGuardError } from './errors.ts';
import { presharedKeyFor, privateKeyFor, publicKeyFor } from './testing/keys.ts';

const FULL: PlainConfiguration = {
  privateKey: { key: privateKeyFor('phone') },
  addresses: ['100.64.0.2/32', 'fd00::2/128'],
  listenPort: 51821,
  mtu: 1280,
  dns: ['100.64.0.1'],
  peers: [
    {
      publicKey: publicKeyFor('gate'),
      presharedKey: presharedKeyFor('gate'),
      endpoint: 'vpn.example.org:51820',
      allowedIps: ['10.0.0.0/8', 'fd00::/48'],
      persistentKeepalive: 25,
    },
    { publicKey: publicKeyFor('gate2'), endpoint: '[2001:db8::1]:51820', allowedIps: ['192.0.2.0/24'] },
  ],
};

test('the full text', () => {
  assert.equal(
    configurationText(FULL),
    `[Interface]
PrivateKey = ${privateKeyFor('phone')}
Address = 100.64.0.2/32, fd00::2/128
ListenPort = 51821
MTU = 1280
DNS = 100.64.0.1

[Peer]
PublicKey = ${publicKeyFor('gate')}
PresharedKey = ${presharedKeyFor('gate')}
Endpoint = vpn.example.org:51820
AllowedIPs = 10.0.0.0/8, fd00::/48
PersistentKeepalive = 25

[Peer]
PublicKey = ${publicKeyFor('gate2')}
Endpoint = [2001:db8::1]:51820
AllowedIPs = 192.0.2.0/24
`,
  );
  assert.deepEqual(parseConfiguration(configurationText(FULL)), FULL);
});

test('wg-quick understands it', { skip: existsSync('/usr/bin/wg-quick') ? false : 'needs wg-quick' }, async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'sallyport-wg-'));
  t.after(() => rm(directory, { recursive: true }));
  const file = join(directory, 'phone.conf');
  await writeFile(file, configurationText(FULL), { mode: 0o600 });
  const { stdout } = await promisify(execFile)('wg-quick', ['strip', file]);
  const ofQuick = /^(Address|MTU|DNS) = .*\n/gm;
  assert.equal(stdout.trim(), configurationText(FULL).replace(ofQuick, '').trim());
});

test('the minimal text with a placeholder', () => {
  const least: PlainConfiguration = {
    privateKey: { placeholder: '<PRIVATE-KEY>' },
    addresses: ['100.64.0.2/32'],
    peers: [],
  };
  const text = '[Interface]\nPrivateKey = <PRIVATE-KEY>\nAddress = 100.64.0.2/32\n';
  assert.equal(configurationText(least), text);
  assert.deepEqual(parseConfiguration(text, '<PRIVATE-KEY>'), least);
  assert.throws(() => parseConfiguration(text), { code: 'invalid', message: /line 2: PrivateKey/ });
});

test('comments, blank lines and Windows line ends are read', () => {
  const text = `# mine\r\n\r\n[Interface]\r\nPrivateKey=${privateKeyFor('phone')} # secret\r\nAddress=100.64.0.2\r\n`;
  assert.deepEqual(parseConfiguration(text).addresses, ['100.64.0.2/32']);
});

test('no value can inject settings into the text', () => {
  const hostile: Partial<PlainConfiguration>[] = [
    { privateKey: { placeholder: 'X\nPostUp = reboot' } },
    { privateKey: { key: 'short' } },
    { addresses: [] },
    { addresses: ['10.0.0.1/32\nPostUp = reboot'] },
    { dns: ['1.1.1.1\nPostUp = reboot'] },
    { mtu: 1 },
    { peers: [{ publicKey: publicKeyFor('gate'), endpoint: 'a b:1', allowedIps: [] }] },
    { peers: [{ publicKey: publicKeyFor('gate'), endpoint: `${'a.'.repeat(60)}-:1`, allowedIps: [] }] },
    { peers: [{ publicKey: `${publicKeyFor('gate')}\n`, allowedIps: [] }] },
  ];
  for (const change of hostile) assert.throws(() => configurationText({ ...FULL, ...change }), { code: 'invalid' });
});

test('unknown text is rejected with its line number', () => {
  const head = `[Interface]\nPrivateKey = ${privateKeyFor('phone')}\nAddress = 100.64.0.2/32\n`;
  const cases: [text: string, message: RegExp][] = [
    ['', /first section/],
    ['[Peer]\n', /first section/],
    [`${head}PostUp = reboot\n`, /line 4: "PostUp" is not known/],
    [`${head}Address = 10.0.0.1/32\n`, /line 4: Address is repeated/],
    [`${head}[Interface]\n`, /line 4: a second/],
    [`${head}[Peer]\n`, /line 4: \[Peer\] lacks PublicKey/],
    [`${head}[peer]\n`, /line 4/],
    [`${head}MTU = 12x\n`, /line 4: MTU/],
    ['Address = 10.0.0.1/32\n', /line 1/],
    ['[Interface]\nAddress = 10.0.0.1/32\n', /lacks PrivateKey/],
  ];
  for (const [text, message] of cases) assert.throws(() => parseConfiguration(text), { code: 'invalid', message });
});

test('the message about a mistyped key does not quote the key', () => {
  const slip = privateKeyFor('phone').slice(0, -2);
  assert.throws(
    () => parseConfiguration(`[Interface]\nPrivateKey = ${slip}\nAddress = 10.0.0.1/32\n`),
    (error) => error instanceof WireGuardError && !error.message.includes(slip),
  );
});
