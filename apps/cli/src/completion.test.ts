import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { chmod, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { families, loadFamilies } from './families.ts';
import { createProgram } from './program.ts';
import { API_KEY, startApi } from './testing/api-server.ts';
import { gateway, page, resource } from './testing/fixtures.ts';
import { folder, sally } from './testing/run.ts';

/** A command line that is begun, and the names that may go on. */
const BEGUN: readonly (readonly [words: readonly string[], names: readonly string[]])[] = [
  [
    ['gateways', 'get', ''],
    ['berlin', 'paris'],
  ],
  [['gateway', 'get', 'P'], ['paris']],
  [
    ['--json', 'gateways', 'update', ''],
    ['berlin', 'paris'],
  ],
  [['--url', 'URL', 'gateways', 'get', 'b'], ['berlin']],
  [['gateways', 'create', 'x', '--port', ''], []],
  [['gateways', 'create', ''], []],
  [['gateways', 'get', 'berlin', ''], []],
  [['gateways', ''], []],
  [['resources', 'attach', ''], ['intranet']],
  [
    ['resources', 'attach', 'intranet', ''],
    ['berlin', 'paris'],
  ],
  [['resources', 'attach', 'intranet', 'berlin', 'pa'], ['paris']],
  [
    ['resources', 'create', 'x', '--gateway', ''],
    ['berlin', 'paris'],
  ],
  [
    ['resources', 'create', 'x', '--protocol', ''],
    ['HTTPS', 'SSH'],
  ],
  [['devices', 'add', 'x', '--owner', ''], ['anna@example.com']],
  [['policies', 'create', 'x', '--device', ''], ['anna']],
  [['access', 'explain', ''], ['anna']],
  [['access', 'explain', 'anna', ''], ['intranet']],
  [['users', 'groups', 'add', 'anna@example.com', ''], ['Engineering']],
  [
    ['users', 'roles', 'add', 'anna@example.com', 'A'],
    ['Admin', 'Auditor'],
  ],
  [['enrolment-keys', 'delete', ''], ['anna-laptop']],
  [['keys', 'delete', ''], ['ci']],
  [['nothing', ''], []],
  [[], []],
];

test('completion offers names of objects for arguments and options of their kind', async (t) => {
  const api = await startApi(t);
  for (const [words, names] of BEGUN) {
    const typed = words.map((word) => (word === 'URL' ? api.url : word));
    const { code, out, err } = await sally(api, ['__complete', ...typed]);
    assert.deepEqual([code, out.split('\n').filter(Boolean), err], [0, names, ''], words.join(' '));
  }
});

test('completion caches names briefly, by address and key, unreadable for other users', async (t) => {
  const api = await startApi(t);
  const env = { XDG_CACHE_HOME: await folder(t) };
  const complete = async (key = API_KEY) =>
    (await sally(api, ['__complete', 'gateways', 'get', ''], { env: { ...env, SALLYPORT_API_KEY: key } })).out;
  assert.equal(await complete(), 'berlin\nparis\n');
  api.replies.set('listGateways', () => ({ body: [gateway(11, 'rome')] }));
  assert.equal(await complete(), 'berlin\nparis\n');
  assert.equal(await complete('another-key-0123456789'), '', 'another key sees nothing of it');
  const dir = join(env.XDG_CACHE_HOME, 'sallyport/names');
  const [file = ''] = await readdir(dir);
  assert.equal((await stat(join(dir, file))).mode & 0o777, 0o600);
  const text = await readFile(join(dir, file), 'utf8');
  assert.ok(!text.includes(API_KEY) && !file.includes(API_KEY));
  await writeFile(join(dir, file), text.replace(/"at":\d+/, '"at":1'));
  assert.equal(await complete(), 'rome\n');
  await writeFile(join(dir, file), 'damaged');
  assert.equal(await complete(), 'rome\n');
});

test('completion is silent on every failure, and offers no deceptive name', async (t) => {
  const api = await startApi(t);
  api.replies.set('listGateways', () => ({ body: [gateway(11, 'a\u202eb'), gateway(12, 'fine')] }));
  assert.equal((await sally(api, ['__complete', 'gateways', 'get', ''])).out, 'fine\n');
  const silent = async (env: Record<string, string>) =>
    assert.deepEqual(await sally(undefined, ['__complete', 'gateways', 'get', ''], { env }), {
      code: 0,
      out: '',
      err: '',
    });
  await silent({ SALLYPORT_URL: api.url });
  await silent({ SALLYPORT_URL: 'http://127.0.0.1:1', SALLYPORT_API_KEY: API_KEY });
  await silent({ SALLYPORT_URL: 'nonsense', SALLYPORT_API_KEY: API_KEY });
  await silent({ SALLYPORT_URL: 'http://192.0.2.1', SALLYPORT_API_KEY: API_KEY });
});

test('bash completes names with blanks, through the real program', async (t) => {
  const api = await startApi(t);
  api.replies.set('listResources', () => ({ body: page([resource(41, 'the wiki'), resource(42, 'intranet')]) }));
  const dir = await folder(t);
  await writeFile(join(dir, 'sally.bash'), (await sally(undefined, ['completion', 'bash'])).out);
  const main = fileURLToPath(new URL('main.ts', import.meta.url));
  await writeFile(join(dir, 'sally'), `#!/bin/sh\nexec '${process.execPath}' '${main}' "$@"\n`);
  await chmod(join(dir, 'sally'), 0o755);
  const complete = async (...words: string[]) => {
    const script = `. ./sally.bash; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _sally; printf '%s\\n' "\${COMPREPLY[@]}"`;
    const env = { PATH: `${dir}:${process.env.PATH}`, SALLYPORT_URL: api.url, SALLYPORT_API_KEY: API_KEY, HOME: dir };
    const { stdout, stderr } = await promisify(execFile)('bash', ['-c', script, 'bash', 'sally', ...words], {
      cwd: dir,
      env,
    });
    assert.equal(stderr, '');
    return stdout.split('\n').filter(Boolean);
  };
  assert.deepEqual(await complete('resources', 'get', ''), ['intranet', 'the\\ wiki']);
  assert.deepEqual(await complete('resources', 'get', 'th'), ['the\\ wiki']);
  assert.deepEqual(await complete('resources', 'ge'), ['get']);
  assert.deepEqual(await complete('resources', 'get', '--js'), ['--json']);
});

test('the help lists commands that are not loaded like loaded ones', async () => {
  const io = {
    ...{ env: {}, version: '0', stdin: process.stdin, stdout: { write: () => true }, stderr: { write: () => true } },
    ...{ now: () => new Date(0), wait: async () => {}, randomBytes: (size: number) => new Uint8Array(size) },
  };
  const whole = createProgram(io, await loadFamilies());
  const names = createProgram(io, new Map());
  assert.equal(names.helpInformation(), whole.helpInformation());
  assert.deepEqual(
    families.flatMap(({ commands }) => commands.map(({ name }) => name)),
    whole.commands.map((command) => command.name()),
  );
  const described = (program: typeof whole) => program.commands.map((c) => [c.name(), c.aliases(), c.description()]);
  assert.deepEqual(described(names), described(whole));
});

test('the help loads no command, and a command loads only its family', async () => {
  assert.equal((await loadFamilies(['--help'])).size, 0);
  assert.equal((await loadFamilies(['--json', 'device', 'list'])).size, 1);
});
