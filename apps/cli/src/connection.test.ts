import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmod, copyFile, mkdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { API_KEY, problem, SESSION, startApi } from './testing/api-server.ts';
import { apiKey, device, uuid } from './testing/fixtures.ts';
import { folder, sally, spawnProgram, spawnSally } from './testing/run.ts';

const program = fileURLToPath(new URL('../../../bin/sally', import.meta.url));

test('login checks the key and stores it for its owner only, and later commands use it', async (t) => {
  const api = await startApi(t, '/qa');
  const dir = await folder(t);
  const login = ['login', '--url', api.url, '--base-path', '/qa/'];
  const env = { XDG_CONFIG_HOME: join(dir, 'config') };
  const wrong = await spawnSally(undefined, login, dir, { env, stdin: 'not-the-key-0123456789\n' });
  assert.equal(wrong.code, 4);
  const right = await spawnSally(undefined, login, dir, { env, stdin: `${API_KEY}\n` });
  assert.equal(right.code, 0, right.err);
  const path = join(dir, 'config/sallyport/config.json');
  assert.equal((await stat(path)).mode & 0o777, 0o600);
  assert.deepEqual(JSON.parse(await readFile(path, 'utf8')), { url: api.url, basePath: '/qa', apiKey: API_KEY });
  assert.ok(!`${right.out}${right.err}`.includes(API_KEY));
  assert.equal((await spawnSally(undefined, ['gateways', 'list'], dir, { env })).code, 0);

  const other = await startApi(t);
  const elsewhere = await spawnSally(undefined, ['gateways', 'list', '--url', other.url], dir, { env });
  assert.equal(elsewhere.code, 4);
  assert.equal(
    other.seen[0]?.headers.apikey,
    undefined,
    'the stored key is sent only to the address for which it was stored',
  );

  await chmod(path, 0o644);
  const open = await spawnSally(undefined, ['gateways', 'list'], dir, { env });
  assert.deepEqual([open.code, /chmod 600/.test(open.err)], [1, true]);
  await chmod(path, 0o600);
  assert.equal((await spawnSally(undefined, ['logout'], dir, { env })).code, 0);
  await assert.rejects(stat(path));
});

test('flags override the environment, and keys come from files, never from arguments', async (t) => {
  const api = await startApi(t);
  const dir = await folder(t);
  await writeFile(join(dir, 'key'), `${API_KEY}\n`);
  const env = { SALLYPORT_URL: 'http://127.0.0.1:1', SALLYPORT_API_KEY: 'wrong-key-0123456789' };
  const byFile = ['gateways', 'list', '--url', `${api.url}/`, '--api-key-file'];
  assert.equal((await sally(undefined, [...byFile, join(dir, 'key')], { env })).code, 0);
  assert.equal((await sally(undefined, [...byFile, '-'], { env, stdin: API_KEY })).code, 0);
  assert.equal((await sally(undefined, [...byFile, join(dir, 'none')], { env })).code, 2);
  const fileEnv = { SALLYPORT_API_KEY_FILE: join(dir, 'key'), SALLYPORT_URL: api.url };
  assert.equal((await sally(undefined, ['gateways', 'list'], { env: fileEnv })).code, 0);
  assert.match(
    (await sally(undefined, ['gateways', 'list', '--api-key', API_KEY])).err,
    /Unknown option '--api-key'\nHint: Did you mean --api-key-file\?/,
  );
});

test('status works with and without a key', async (t) => {
  const api = await startApi(t);
  const full = await sally(api, ['status']);
  assert.equal(full.code, 0, full.err);
  assert.match(full.out, /: ready\n[\s\S]*Gateways +2\nResources +1\nDevices +1\nPolicies +3\n[\s\S]*berlin +PENDING/);
  const bare = await sally(undefined, ['status', '--url', api.url]);
  assert.deepEqual([bare.code, bare.out], [0, `Controller  ${api.url}: ready\n`]);
  assert.match(bare.err, /sally login/);
});

test('colour appears only on terminals, and not with NO_COLOR', async (t) => {
  const api = await startApi(t);
  const coloured = async (circumstances: object) =>
    (await sally(api, ['gateways', 'list'], circumstances)).out.includes('\u001b[');
  assert.deepEqual(
    [await coloured({ tty: true }), await coloured({ tty: true, env: { NO_COLOR: '1' } }), await coloured({})],
    [true, false, false],
  );
});

test('tenant commands use the operator socket in the data directory', async (t) => {
  const dir = await folder(t);
  const seen: string[] = [];
  const key = { ...apiKey(81, 'first'), key: 'sk_0123456789abcdefghij' };
  const tenant = { id: uuid(1), name: 'acme' };
  const server = createServer(async (request, response) => {
    let text = '';
    for await (const chunk of request) text += chunk;
    seen.push(`${request.method} ${request.url} ${text}`.trim());
    const answers: Record<string, unknown> = {
      'GET /tenants': [tenant],
      'POST /tenants': { tenant, apiKey: key },
      [`POST /tenants/${uuid(1)}/api-keys`]: key,
    };
    const answer = answers[`${request.method} ${request.url}`];
    response.writeHead(answer === undefined ? 404 : request.method === 'POST' ? 201 : 200).end(JSON.stringify(answer));
  });
  await new Promise<void>((resolve) => server.listen(join(dir, 'operator.sock'), resolve));
  t.after(() => new Promise((resolve) => server.close(resolve)));
  const env = { SALLYPORT_DATA_DIR: dir };
  const created = await spawnSally(undefined, ['tenants', 'create', 'acme'], dir, { env });
  assert.equal(created.code, 0, created.err);
  assert.match(created.out, new RegExp(`Created tenant acme \\(${uuid(1)}\\)[\\s\\S]*Key +${key.key}`));
  const only = await sally(undefined, ['tenants', 'create', 'acme', '--key-only', '--data-dir', dir]);
  assert.equal(only.out, `${key.key}\n`);
  assert.match((await sally(undefined, ['tenants', 'list'], { env })).out, /acme +0000/);
  assert.equal((await sally(undefined, ['tenants', 'key', 'acme', 'spare'], { env })).code, 0);
  assert.deepEqual(seen.at(-1), `POST /tenants/${uuid(1)}/api-keys {"name":"spare","role":"OWNER"}`);
  const nowhere = await sally(undefined, ['tenants', 'list', '--data-dir', join(dir, 'none')]);
  assert.deepEqual([nowhere.code, /no such socket\nHint: .*--data-dir/.test(nowhere.err)], [6, true]);
});

test('bash completion completes commands, aliases and options', async (t) => {
  const dir = await folder(t);
  const { out } = await sally(undefined, ['completion', 'bash']);
  await writeFile(join(dir, 'sally.bash'), out);
  const complete = (...words: string[]) => {
    const script = `. ./sally.bash; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _sally; printf '%s\\n' "\${COMPREPLY[@]}"`;
    const result = spawnSync('bash', ['-c', script, 'bash', 'sally', ...words], { cwd: dir, encoding: 'utf8' });
    assert.equal(result.stderr, '');
    return result.stdout.trim().split('\n');
  };
  assert.deepEqual(complete('ga'), ['gateways', 'gateway']);
  assert.deepEqual(complete('gateway', 'ma'), ['maintenance']);
  assert.deepEqual(complete('--json', 'resources', 'create', 'x', '--addr'), ['--address']);
  assert.deepEqual(complete('users', 'roles', 're'), ['remove']);
  assert.deepEqual(complete('user', 'groups', 'a'), ['add']);
  assert.deepEqual(complete('access', 'explain', '--prot'), ['--protocol']);
  assert.deepEqual(complete('apply', '--pr'), ['--prune']);
  assert.deepEqual(complete('policies', 'update', '--base'), ['--base-path']);
  for (const shell of ['zsh', 'fish']) assert.match((await sally(undefined, ['completion', shell])).out, /base-path/);
});

test('bin/sally finds the repository through symbolic links', async (t) => {
  const dir = await folder(t);
  await symlink(program, join(dir, 'absolute'));
  await symlink('absolute', join(dir, 'sally'));
  const outcome = await spawnProgram(join(dir, 'sally'), ['--help'], dir, {});
  assert.deepEqual([outcome.code, outcome.err], [0, '']);
  assert.match(outcome.out, /^Usage: sally/);
  const agent = await spawnProgram(join(dir, 'sally'), ['gateway', 'run', '--help'], dir, {});
  assert.match(agent.out, /^Usage: sally gateway </, 'the agent is started, not the command line');
  const device = await spawnProgram(join(dir, 'sally'), ['netcheck', '--help'], dir, {});
  assert.match(device.out, /^Usage: sally netcheck \[options\]\n[\s\S]*when no daemon runs/, 'so is that of devices');
  const late = await spawnProgram(join(dir, 'sally'), ['--json', 'ping', 'x', '--state-dir', dir], dir, {});
  assert.deepEqual([late.code, JSON.parse(late.err).title], [1, 'this device is not connected: run sally up']);
});

test('bin/sally without Node.js or packages names the set-up command', async (t) => {
  const dir = await folder(t);
  const copy = join(dir, "it's a checkout/bin/sally");
  await mkdir(dirname(copy), { recursive: true });
  await copyFile(program, copy);
  const tools = join(dir, 'tools');
  await mkdir(tools);
  for (const name of ['dirname', 'readlink', 'sed']) await symlink(`/usr/bin/${name}`, join(tools, name));
  const sally = (env: object = {}) => spawnProgram('/bin/sh', [copy, 'status'], dir, { PATH: tools, ...env });
  const none = await sally();
  assert.equal(none.code, 1);
  assert.match(none.err, /^sally: There is no Node\.js 24 yet\. Set this checkout up with one command/);
  const command = /^ {2}(sh .*)$/m.exec(none.err)?.[1] ?? '';
  const echoed = await spawnProgram('/bin/sh', ['-c', `echo ${command}`], dir, { PATH: '/usr/bin:/bin' });
  assert.equal(
    echoed.out,
    `sh ${join(dir, "it's a checkout/scripts/setup.sh")}\n`,
    'the path can be typed as it stands',
  );
  assert.match((await sally({ SUDO_USER: 'anna' })).err, /sudo sh /);
  await writeFile(join(tools, 'node'), '#!/bin/sh\necho v20.1.0\n', { mode: 0o755 });
  assert.match((await sally()).err, /no Node\.js 24 yet \(.*\/node is older\)/);
  await writeFile(join(tools, 'node'), '#!/bin/sh\necho v24.1.0\n', { mode: 0o755 });
  assert.match((await sally()).err, /The packages are not installed yet/);
});

test('status of a person without administrator rights shows the own devices and what they reach', async (t) => {
  const api = await startApi(t);
  const dir = await folder(t);
  await mkdir(join(dir, 'config/sallyport'), { recursive: true });
  const path = join(dir, 'config/sallyport/config.json');
  const stored = { url: api.url, basePath: '', sessionToken: SESSION };
  await writeFile(path, JSON.stringify(stored), { mode: 0o600 });
  const at = '2026-11-01T10:00:00.000Z';
  const empty = { total: 1, page: 0, limit: 100, hasNext: false, hasPrevious: false };
  const me = {
    ...{ id: uuid(1), email: 'jane@example.com', role: 'DEFAULT', isOwner: false },
    ...{ tenant: { id: uuid(2), name: 'Acme', slug: 'acme' }, session: { id: uuid(3), expiresAt: at } },
  };
  const reached = {
    ...{ id: uuid(5), name: 'intranet', addresses: [{ address: '10.0.0.5', protocols: ['TCP 443'] }] },
    devices: [{ id: uuid(4), name: 'laptop' }],
  };
  const { user: _, hardwareId: __, ...own } = device(51, 'laptop');
  api.replies.set('getMe', () => ({ body: me }));
  api.replies.set('listMyDevices', () => ({ body: { ...empty, data: [own] } }));
  api.replies.set('listMyResources', () => ({ body: { ...empty, data: [reached] } }));
  api.replies.set('listGateways', () => problem(403, 'forbidden'));
  const env = { XDG_CONFIG_HOME: join(dir, 'config'), SALLYPORT_URL: undefined, SALLYPORT_API_KEY: undefined };
  const outcome = await spawnSally(undefined, ['status', '--state-dir', '/nonexistent'], dir, { env });
  assert.equal(outcome.code, 0, outcome.err);
  assert.match(
    outcome.out,
    /jane@example\.com, Acme[\s\S]*DEVICE[\s\S]*laptop[\s\S]*RESOURCE[\s\S]*intranet +10\.0\.0\.5 +laptop/,
  );
  const json = await spawnSally(undefined, ['status', '--json', '--state-dir', '/nonexistent'], dir, { env });
  assert.deepEqual(JSON.parse(json.out).resources[0].name, 'intranet');
});
