import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ControllerProcess, testFolder } from '../testing/controller-process.ts';

const main = fileURLToPath(new URL('main.ts', import.meta.url));
const passphrase = 'a passphrase for tests';

interface Result {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs `sally operator …`. The passphrase is in the environment. */
function operator(args: readonly string[], env: Record<string, string> = {}): Promise<Result> {
  return new Promise((resolve) => {
    const options = { env: { PATH: process.env.PATH ?? '', SALLYPORT_BACKUP_PASSPHRASE: passphrase, ...env } };
    execFile(process.execPath, [main, ...args], options, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr });
    });
  });
}

async function succeeds(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await operator(args);
  assert.equal(code, 0, stderr);
  return stdout;
}

async function fails(args: readonly string[], says: RegExp, env: Record<string, string> = {}, code = 1): Promise<void> {
  const result = await operator(args, env);
  assert.match(result.stderr, says);
  assert.equal(result.code, code);
  assert.doesNotMatch(result.stderr, /\n {4}at /, 'no stack trace');
}

async function makeGateway({ url }: ControllerProcess, key: string, name: string): Promise<void> {
  const headers = { apikey: key, 'content-type': 'application/json' };
  const body = JSON.stringify({ name, wireguardPort: '51820' });
  assert.equal((await fetch(`${url}/tenants/gateways`, { method: 'POST', headers, body })).status, 201);
}

async function gatewayNames({ url }: ControllerProcess, key: string): Promise<string[]> {
  const answer = await fetch(`${url}/tenants/gateways`, { headers: { apikey: key } });
  return ((await answer.json()) as { name: string }[]).map(({ name }) => name).sort();
}

/** A running controller with a gateway, and a backup of it. */
async function withBackup(t: TestContext) {
  const dataDir = testFolder(t);
  const controller = await ControllerProcess.start(t, dataDir);
  const key = controller.printedKey ?? '';
  await makeGateway(controller, key, 'before');
  const file = join(testFolder(t), 'backup');
  await succeeds('backup', file, '--data-dir', dataDir);
  return { dataDir, controller, key, file };
}

const epochOf = (dataDir: string): unknown => {
  const raw = new DatabaseSync(join(dataDir, 'sallyport.db'));
  const row = raw.prepare("SELECT value FROM meta WHERE key = 'epoch'").get();
  raw.close();
  return row?.value;
};

test('a backup of a running controller is restored elsewhere with all that was acknowledged, in a new epoch', async (t) => {
  const { controller, key, file, dataDir } = await withBackup(t);
  assert.equal(statSync(file).mode & 0o777, 0o600);
  assert.ok(!readFileSync(file).includes('SQLite format 3'), 'it is encrypted');
  await makeGateway(controller, key, 'after');
  assert.deepEqual(
    readdirSync(dataDir).filter((name) => name.startsWith('backup-')),
    [],
    'nothing is left in the data directory',
  );

  const contents = JSON.parse(await succeeds('backup', '--verify', file, '--json'));
  assert.deepEqual([contents.tenants, contents.gateways, contents.encrypted], [['default'], 1, true]);
  const other = join(testFolder(t), 'new');
  assert.match(await succeeds('restore', file, '--data-dir', other), /It begins a new epoch/);
  assert.deepEqual(readdirSync(other).sort(), ['master.key', 'sallyport.db']);
  const epoch = epochOf(other);
  const restored = await ControllerProcess.start(t, other);
  assert.match(restored.stderr, /this database comes from a backup: a new epoch begins/);
  assert.deepEqual(await gatewayNames(restored, key), ['before']);
  assert.equal(await restored.kill('SIGTERM'), 0);
  const begun = epochOf(other);
  assert.notEqual(begun, epoch);
  const again = await ControllerProcess.start(t, other);
  assert.doesNotMatch(again.stderr, /comes from a backup/);
  await again.kill('SIGTERM');
  assert.equal(epochOf(other), begun, 'one restore, one new epoch');
});

test('a restore replaces an installation only when told to, not below a running controller, and keeps what was there', async (t) => {
  const { controller, key, file, dataDir } = await withBackup(t);
  await makeGateway(controller, key, 'after');
  await fails(['restore', file, '--data-dir', dataDir, '--replace'], /a controller uses .*: stop it first/);
  assert.equal(await controller.kill('SIGTERM'), 0);
  await fails(['restore', file, '--data-dir', dataDir], /there is an installation in .* already: add --replace/);
  mkdirSync(join(dataDir, 'gateway'));
  writeFileSync(join(dataDir, 'gateway', 'host.json'), 'of this host');
  await succeeds('restore', file, '--data-dir', dataDir, '--replace');
  assert.equal(readFileSync(join(dataDir, 'gateway', 'host.json'), 'utf8'), 'of this host');
  const restored = await ControllerProcess.start(t, dataDir);
  assert.deepEqual(await gatewayNames(restored, key), ['before']);
  await restored.kill('SIGTERM');
  const [aside = ''] = readdirSync(dataDir).filter((name) => name.startsWith('before-restore-'));
  const before = await ControllerProcess.start(t, join(dataDir, aside));
  assert.deepEqual(await gatewayNames(before, key), ['after', 'before']);
});

test('a file that is cut short, changed, foreign or sealed with another passphrase changes nothing', async (t) => {
  const { file, dataDir, controller } = await withBackup(t);
  await controller.kill('SIGTERM');
  const folder = testFolder(t);
  const variant = (name: string, change: (bytes: Buffer) => void): string => {
    const bytes = readFileSync(file);
    change(bytes);
    writeFileSync(join(folder, name), bytes);
    return join(folder, name);
  };
  const cut = join(folder, 'cut');
  cpSync(file, cut);
  truncateSync(cut, statSync(file).size - 1000);
  const changed = variant('changed', (bytes) => bytes.writeUInt8(bytes.readUInt8(200_000) ^ 1, 200_000));
  const foreign = variant('foreign', (bytes) => bytes.write('NOTHING!'));
  const newer = variant('newer', (bytes) => bytes.writeUInt8(9, 8));
  const before = readdirSync(dataDir).sort();
  for (const [path, says] of [
    [cut, /cut short/],
    [changed, /damaged or was changed/],
    [foreign, /not a backup of Sallyport/],
    [newer, /has format 9/],
    [join(folder, 'absent'), /absent cannot be read: there is no such file/],
  ] as const) {
    await fails(['backup', '--verify', path], says);
  }
  await fails(['restore', changed, '--data-dir', dataDir, '--replace'], /damaged or was changed/);
  await fails(['restore', cut, '--data-dir', join(folder, 'new')], /cut short/);
  await fails(['restore', file, '--data-dir', dataDir, '--replace'], /passphrase is wrong/, {
    SALLYPORT_BACKUP_PASSPHRASE: 'another one',
  });
  await succeeds('restore', file, '--data-dir', dataDir, '--replace', '--dry-run');
  assert.deepEqual(readdirSync(dataDir).sort(), before);
  assert.deepEqual(readdirSync(join(folder, 'new')), []);
});

test('a restore that was interrupted while files were moved keeps controllers out until it is run again', async (t) => {
  const { file, dataDir, controller, key } = await withBackup(t);
  await controller.kill('SIGTERM');
  writeFileSync(join(dataDir, 'restore.pending'), '');
  mkdirSync(join(dataDir, 'restore-0.partial'));
  mkdirSync(join(dataDir, 'before-restore-x'));
  cpSync(join(dataDir, 'sallyport.db'), join(dataDir, 'before-restore-x', 'sallyport.db'));
  assert.match((await ControllerProcess.start(t, dataDir)).stderr, /a restore that was interrupted/);
  await fails(['restore', file, '--data-dir', dataDir], /add --replace/);
  await succeeds('restore', file, '--data-dir', dataDir, '--replace');
  assert.ok(!existsSync(join(dataDir, 'restore-0.partial')));
  const next = await ControllerProcess.start(t, dataDir);
  assert.deepEqual(await gatewayNames(next, key), ['before']);
});

test('backups do not replace files, go to standard output, and may be plain; the passphrase never stands on the command line', async (t) => {
  const { file, dataDir } = await withBackup(t);
  const bytes = readFileSync(file);
  await fails(['backup', file, '--data-dir', dataDir], /already exists: choose another name, or add --force/);
  assert.ok(readFileSync(file).equals(bytes));
  await succeeds('backup', file, '--data-dir', dataDir, '--force', '--plain');
  assert.ok(readFileSync(file).includes('SQLite format 3'));
  await succeeds('backup', '--verify', file);
  const child = spawn(process.execPath, [main, 'backup', '-', '--plain', '--data-dir', dataDir], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const parts: Buffer[] = [];
  for await (const part of child.stdout) parts.push(part);
  assert.equal(Buffer.concat(parts).subarray(0, 8).toString(), 'SALLYBAK');
  await fails(['backup', join(dataDir, 'x'), '--passphrase', 'secret'], /Unknown option '--passphrase'/, {}, 2);
  await fails(['backup'], /name the file/, {}, 2);
  await fails(['backup', '--verify', file, '--plain'], /--verify writes nothing/, {}, 2);
  await fails(
    ['backup', 'x', '--data-dir', testFolder(t)],
    /cannot reach the controller .* \(there is no such socket\)/,
  );
  const short = join(testFolder(t), 'short');
  writeFileSync(short, 'short\n');
  await fails(['backup', 'x', '--data-dir', dataDir, '--passphrase-file', short], /needs at least 8 characters/);
});

test('a controller that is killed in a backup leaves no file that looks whole, and cleans up when it starts again', async (t) => {
  const { dataDir, controller } = await withBackup(t);
  writeFileSync(join(dataDir, 'backup-0.partial'), 'left by a controller that was killed');
  const file = join(testFolder(t), 'second');
  const child = spawn(process.execPath, [main, 'backup', file, '--data-dir', dataDir], {
    env: { SALLYPORT_BACKUP_PASSPHRASE: passphrase },
    stdio: 'ignore',
  });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  await controller.kill('SIGKILL');
  await ended;
  if (existsSync(file)) await succeeds('backup', '--verify', file);
  assert.deepEqual(
    readdirSync(join(file, '..')).filter((name) => name.endsWith('.partial')),
    [],
  );
  const next = await ControllerProcess.start(t, dataDir);
  assert.match(next.stdout, /Sallyport is ready/);
  assert.deepEqual(
    readdirSync(dataDir).filter((name) => name.endsWith('.partial')),
    [],
  );
});
