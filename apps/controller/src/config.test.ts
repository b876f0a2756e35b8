import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { readConfig, settings } from './config.ts';
import { helpText } from './config-help.ts';

const config = (env: Record<string, string>, ...argv: string[]) => {
  const invocation = readConfig(env, argv);
  assert.equal(invocation.kind, 'run');
  return (invocation as Extract<typeof invocation, { kind: 'run' }>).config;
};

test('defaults are those of the table', () => {
  const { listen, basePath, localGateway, publicUrl, trustedProxies, bootstrapApiKey, tls, dataDir, masterKey } =
    config({});
  assert.deepEqual(listen, { host: '127.0.0.1', port: 8080 });
  assert.deepEqual(
    [basePath, localGateway, publicUrl, trustedProxies, bootstrapApiKey, tls],
    ['', 'auto', null, [], null, null],
  );
  assert.equal(dataDir, join(process.cwd(), 'data'));
  assert.deepEqual(masterKey, { file: join(dataDir, 'master.key'), mayCreate: true });
});

test('a flag wins over the environment, in both spellings', () => {
  assert.equal(config({ SALLYPORT_LISTEN: '127.0.0.1:1' }, '--listen', '127.0.0.1:2').listen.port, 2);
  assert.equal(config({ SALLYPORT_LISTEN: '127.0.0.1:1' }, '--listen=[::1]:3').listen.host, '::1');
  assert.equal(config({ SALLYPORT_API_BASE_PATH: '/qa' }).basePath, '/qa');
  assert.equal(config({ SALLYPORT_PUBLIC_URL: 'https://vpn.example.com/' }).publicUrl, 'https://vpn.example.com');
  assert.deepEqual(config({ SALLYPORT_TRUSTED_PROXIES: '10.0.0.1, fd00::/8' }).trustedProxies, [
    '10.0.0.1',
    'fd00::/8',
  ]);
});

test('mail needs a server and a sender, and no message repeats the password', () => {
  const smtp = 'smtp://vpn:hunter2@mail.example.com';
  const { mail } = config({ SALLYPORT_SMTP_URL: smtp, SALLYPORT_MAIL_FROM: 'VPN <vpn@example.com>' });
  assert.deepEqual(mail?.smtp.login, { user: 'vpn', password: 'hunter2' });
  assert.deepEqual(mail?.from, { name: 'VPN', address: 'vpn@example.com' });
  assert.equal(config({}).mail, null);
  for (const [env, text] of [
    [{ SALLYPORT_SMTP_URL: smtp }, /needs SALLYPORT_MAIL_FROM/],
    [{ SALLYPORT_MAIL_FROM: 'vpn@example.com' }, /no effect without SALLYPORT_SMTP_URL/],
    [{ SALLYPORT_SMTP_URL: `${smtp}/x`, SALLYPORT_MAIL_FROM: 'vpn@example.com' }, /SALLYPORT_SMTP_URL must be like/],
    [{ SALLYPORT_SMTP_URL: smtp, SALLYPORT_MAIL_FROM: 'nobody' }, /SALLYPORT_MAIL_FROM must be an address/],
  ] as const)
    assert.throws(
      () => config(env),
      ({ message }: Error) => text.test(message) && !message.includes('hunter2'),
    );
  assert.throws(() => readConfig({}, ['--smtp-url', smtp]), /secrets are not taken as options/);
});

test('everything wrong is said at once, and no secret is repeated', () => {
  const env = {
    SALLYPORT_LISTEN: 'nowhere',
    SALLYPORT_TYPO: 'x',
    SALLYPORT_DATABASE_URL: 'mysql://user:hunter2@db/x',
    SALLYPORT_BOOTSTRAP_API_KEY: 'too-short',
    SALLYPORT_LOCAL_GATEWAY: 'maybe',
    SALLYPORT_BEACON_LISTEN: '0.0.0.0:65535',
    SALLYPORT_BEACON_ENDPOINT: 'no:where',
  };
  assert.throws(
    () => readConfig(env, ['--nonsense', '--bootstrap-api-key', 'secret-on-command-line', '--data-dir']),
    ({ name, message }: Error) => {
      assert.equal(name, 'OperatorError');
      for (const part of [
        'SALLYPORT_TYPO is not a setting',
        '--nonsense is not an option',
        '--bootstrap-api-key: secrets are not taken as options',
        '--data-dir needs a value',
        'SALLYPORT_LISTEN must be host:port',
        'SALLYPORT_DATABASE_URL must be like postgres://user:password@host:5432/database',
        'SALLYPORT_BOOTSTRAP_API_KEY must be 32 to 256 visible ASCII characters',
        'SALLYPORT_LOCAL_GATEWAY must be auto, on or off',
        'SALLYPORT_BEACON_LISTEN must be host:port, with a port below 65535, or off',
        'SALLYPORT_BEACON_ENDPOINT must be a host name or IP address',
      ])
        assert.ok(message.includes(part), `${part} in:\n${message}`);
      assert.doesNotMatch(message, /hunter2|too-short|secret-on-command-line/);
      return true;
    },
  );
});

test('secrets may stand in files, but not twice', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-config-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'key');
  writeFileSync(file, `${'k'.repeat(32)}\n`);
  assert.equal(config({ SALLYPORT_BOOTSTRAP_API_KEY_FILE: file }).bootstrapApiKey, 'k'.repeat(32));
  assert.throws(
    () => config({ SALLYPORT_BOOTSTRAP_API_KEY_FILE: file, SALLYPORT_BOOTSTRAP_API_KEY: 'x'.repeat(32) }),
    /both set/,
  );
  assert.throws(() => config({ SALLYPORT_BOOTSTRAP_API_KEY_FILE: join(folder, 'none') }), /cannot be read \(ENOENT\)/);
  assert.throws(() => config({ SALLYPORT_TLS_CERT_FILE: file }), /belong together/);
});

test('listen addresses, ports and base paths that cannot be are refused', () => {
  for (const listen of ['127.0.0.1', ':', '127.0.0.1:65536', '127.0.0.1:x', '::1:80', ''])
    if (listen !== '') assert.throws(() => config({}, '--listen', listen), /SALLYPORT_LISTEN must be/, listen);
  for (const path of ['qa', '/qa/', '/q a', '//', '/docs', '/docs/x', '/agent'])
    assert.throws(() => config({}, '--api-base-path', path), /SALLYPORT_API_BASE_PATH/, path);
});

test('agents are told of a beacon where the public URL leads to us from elsewhere', () => {
  const beacon = (env: Record<string, string>) => config(env).beacon;
  assert.deepEqual(beacon({}), { listen: { host: '0.0.0.0', port: 51818 }, endpoint: null, secondAddress: null });
  assert.equal(beacon({ SALLYPORT_BEACON_SECOND_ADDRESS: '192.0.2.9' }).secondAddress, '192.0.2.9');
  assert.throws(() => beacon({ SALLYPORT_BEACON_SECOND_ADDRESS: 'host' }), /IP address of this host/);
  assert.equal(beacon({ SALLYPORT_BEACON_LISTEN: 'off' }).listen, null);
  assert.deepEqual(beacon({ SALLYPORT_BEACON_LISTEN: '[::]:7' }).listen, { host: '::', port: 7 });
  for (const local of ['http://localhost:8080', 'http://127.0.0.1', 'http://[::1]:1'])
    assert.equal(beacon({ SALLYPORT_PUBLIC_URL: local }).endpoint, null, local);
  const told = (env: Record<string, string>) => {
    const { host, port } = beacon(env).endpoint ?? { host: 'nobody', port: null };
    return [host, port];
  };
  assert.deepEqual(told({ SALLYPORT_PUBLIC_URL: 'https://vpn.example.com:8443' }), ['vpn.example.com', null]);
  assert.deepEqual(told({ SALLYPORT_PUBLIC_URL: 'http://[2001:db8::1]' }), ['2001:db8::1', null]);
  const url = { SALLYPORT_PUBLIC_URL: 'https://vpn.example.com' };
  assert.deepEqual(told({ ...url, SALLYPORT_BEACON_ENDPOINT: '192.0.2.1:4500' }), ['192.0.2.1', 4500]);
  assert.deepEqual(told({ SALLYPORT_BEACON_ENDPOINT: '[2001:db8::1]' }), ['2001:db8::1', null]);
});

test('help names every setting; version and help win over mistakes', () => {
  for (const { name } of settings) assert.ok(helpText().includes(name), name);
  assert.equal(readConfig({ SALLYPORT_X: 'y' }, ['--help']).kind, 'help');
  assert.equal(readConfig({}, ['--version', '--junk']).kind, 'version');
});
