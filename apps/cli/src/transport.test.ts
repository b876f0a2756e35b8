import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { API_KEY, startApi } from './testing/api-server.ts';
import { fixtures, uuid } from './testing/fixtures.ts';
import { folder, sally } from './testing/run.ts';

/** Nothing is there: a command that tried would say "cannot reach", not "unencrypted". */
const FAR = 'http://192.0.2.1:9';

const commands: readonly (readonly string[])[] = [
  ['gateways', 'list'],
  ['gateways', 'get', 'berlin'],
  ['gateways', 'delete', uuid(11), '--dry-run'],
  ['devices', 'add', 'x', '--out', '-'],
  ['access', 'matrix'],
  ['changes', 'follow'],
  ['audit', 'export'],
  ['export'],
  ['status'],
];

for (const command of commands)
  test(`sally ${command.join(' ')} sends no key over http:// to another host`, async () => {
    const env = { SALLYPORT_API_KEY: API_KEY };
    const refused = await sally(undefined, [...command, '--url', FAR], { env });
    assert.equal(refused.code, 2, refused.err);
    assert.match(refused.err, /would go to 192\.0\.2\.1:9 unencrypted[\s\S]*--insecure/);
  });

test('login refuses before it asks for the key', async () => {
  const refused = await sally(undefined, ['login', '--url', FAR], { stdinTty: true });
  assert.equal(refused.code, 2);
  assert.match(refused.err, /unencrypted/);
  assert.doesNotMatch(refused.err, /API key for/);
});

test('a key goes over http:// to this host, and to others only with --insecure', async (t) => {
  const api = await startApi(t);
  const { port } = new URL(api.url);
  assert.equal((await sally(api, ['gateways', 'list', '--url', `http://localhost:${port}`])).code, 0);
  const env = { SALLYPORT_API_KEY: API_KEY };
  // 0.0.0.0 is no loopback address, and yet leads here.
  const url = ['--url', `http://0.0.0.0:${port}`];
  assert.equal((await sally(undefined, ['gateways', 'list', ...url], { env })).code, 2);
  assert.equal((await sally(undefined, ['gateways', 'list', ...url, '--insecure'], { env })).code, 0);
  const byEnvironment = await sally(undefined, ['gateways', 'list', ...url], {
    env: { ...env, SALLYPORT_INSECURE: 'on' },
  });
  assert.equal(byEnvironment.code, 0, byEnvironment.err);
});

test('a redirect to http:// is not followed', async (t) => {
  const api = await startApi(t);
  const { port } = new URL(api.url);
  api.replies.set('listGateways', () => ({ status: 307, headers: { location: `http://0.0.0.0:${port}/` } }));
  assert.equal((await sally(api, ['gateways', 'list'])).code, 1);
  assert.equal(api.seen.length, 1);
});

async function startTls(t: TestContext, name = 'localhost'): Promise<{ url: string; ca: string }> {
  const dir = await folder(t);
  const [key, ca] = [join(dir, 'key.pem'), join(dir, 'ca.pem')];
  execFileSync(
    'openssl',
    [
      ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', key, '-out', ca],
      ...['-days', '2', '-subj', `/CN=${name}`, '-addext', `subjectAltName=DNS:${name}`],
    ],
    { stdio: 'ignore' },
  );
  const server: Server = createServer({ key: await readFile(key), cert: await readFile(ca) }, (_, response) => {
    response.setHeader('content-type', 'application/json').end(JSON.stringify(fixtures.answers.listGateways));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => new Promise((resolve) => server.close(resolve)));
  return { url: `https://localhost:${(server.address() as AddressInfo).port}`, ca };
}

test('a private certificate authority is trusted with --ca-file, SALLYPORT_CA_FILE, and after login', async (t) => {
  const { url, ca } = await startTls(t);
  const dir = await folder(t);
  const env = { SALLYPORT_API_KEY: API_KEY };
  const list = ['gateways', 'list', '--url', url];
  const unknown = await sally(undefined, list, { env });
  assert.deepEqual([unknown.code, /not trusted[\s\S]*--ca-file/.test(unknown.err)], [6, true]);
  const trusted = await sally(undefined, [...list, '--ca-file', ca], { env });
  assert.equal(trusted.code, 0, trusted.err);
  assert.equal((await sally(undefined, list, { env: { ...env, SALLYPORT_CA_FILE: ca } })).code, 0);

  const stored = { XDG_CONFIG_HOME: dir };
  const login = await sally(undefined, ['login', '--url', url, '--ca-file', ca], { env: stored, stdin: API_KEY });
  assert.equal(login.code, 0, login.err);
  assert.equal((await sally(undefined, ['gateways', 'list'], { env: stored })).code, 0);

  await writeFile(join(dir, 'empty'), 'nothing');
  for (const [file, said] of [
    ['empty', /contains no certificate/],
    ['missing', /no file/],
  ] as const) {
    const wrong = await sally(undefined, [...list, '--ca-file', join(dir, file)], { env });
    assert.deepEqual([wrong.code, said.test(wrong.err)], [2, true]);
  }
});

test('the server certificate in the file is trusted under any name, and other certificates are not', async (t) => {
  const { url, ca } = await startTls(t, 'vpn.example');
  const other = await startTls(t, 'vpn.example');
  const list = ['gateways', 'list', '--url', url, '--ca-file'];
  const env = { SALLYPORT_API_KEY: API_KEY };
  const trusted = await sally(undefined, [...list, ca], { env });
  assert.equal(trusted.code, 0, trusted.err);
  assert.equal((await sally(undefined, [...list, other.ca], { env })).code, 6);
});
