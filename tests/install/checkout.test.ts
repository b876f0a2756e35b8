import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { exec, until, whyNoNamespaces } from '@sallyport/testkit';
import { copyCheckout, installForProduction, testFolder } from './checkout.ts';

const skip = whyNoNamespaces() ?? false;
const unprivileged = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'];

interface Outcome {
  readonly code: number | null;
  readonly output: string;
}

/**
 * Runs a command without a network, with PATH and the given variables as its environment, until it ends or is ready.
 */
async function offline(
  t: TestContext,
  cwd: string,
  command: readonly string[],
  env: Record<string, string>,
  ready?: RegExp,
): Promise<Outcome> {
  const script = 'ip link set lo up; exec "$@"';
  const child = spawn('unshare', ['--net', 'sh', '-c', script, 'sh', ...command], {
    cwd,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
      SALLYPORT_LOCAL_GATEWAY: 'off',
      ...env,
    },
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (data: Buffer) => {
      output += data.toString();
    });
  const running = () => child.exitCode === null && child.signalCode === null;
  const end = (signal: NodeJS.Signals) => running() && process.kill(-(child.pid ?? 0), signal);
  t.after(() => end('SIGKILL'));
  await until(`the end of ${command.join(' ')}`, () => !running() || ready?.test(output) === true, {
    timeoutMs: 90_000,
  }).catch((error) => {
    throw new Error(`${(error as Error).message}; it said:\n${output}`);
  });
  if (running()) end('SIGINT');
  await until('it to end', () => !running(), { timeoutMs: 30_000 });
  return { code: child.exitCode, output };
}

test('a checkout with production packages works in a folder with blanks and without a home', { skip }, async (t) => {
  const folder = testFolder(t);
  chmodSync(folder, 0o755);
  const checkout = join(folder, "anna's own checkout");
  copyCheckout(checkout);
  installForProduction(checkout);
  const ready = /Sallyport is ready/;
  const start = ['npm', 'start', '--', '--listen', '127.0.0.1:8080', '--beacon-listen', 'off'];
  const data = (name: string) => ['--data-dir', join(folder, name)];

  await t.test('set-up builds the console without a network', async () => {
    const { code, output } = await offline(t, checkout, ['sh', 'scripts/setup.sh', 'start'], { HOME: '' });
    assert.equal(code, 0, output);
    assert.equal(output, 'set-up: building the console\n');
    assert.ok(existsSync(join(checkout, 'apps/console/dist/app/index.html')));
  });

  await t.test('npm start runs without a network and installs nothing', async () => {
    assert.ok(!existsSync(join(checkout, 'node_modules/typescript')), 'there are no development packages');
    const { code, output } = await offline(t, checkout, [...start, ...data('first')], { HOME: '' }, ready);
    assert.match(output, ready);
    assert.doesNotMatch(output, /set-up: /);
    assert.equal(code, 0, output);
    assert.ok(!existsSync(join(checkout, 'node_modules/typescript')));
  });

  await t.test('the set-up for tests reports missing packages and does not hang', async () => {
    const packages = join(checkout, 'node_modules');
    const before = readdirSync(packages).length;
    const copy = join(folder, 'for tests');
    await exec('cp', ['-a', checkout, copy]);
    const { code, output } = await offline(t, copy, ['sh', 'scripts/setup.sh', 'test'], { HOME: folder });
    assert.equal(code, 1, output);
    assert.match(output, /set-up: installing the locked npm packages[\s\S]*set-up: npm ci failed/);
    assert.equal(readdirSync(packages).length, before);
  });

  await t.test('bin/sally works through a symbolic link, from another folder, without a home', async () => {
    const elsewhere = join(folder, 'else where');
    mkdirSync(elsewhere);
    symlinkSync(join(checkout, 'bin/sally'), join(elsewhere, 'sally'));
    for (const args of [['--version'], ['gateway', 'run', '--help'], ['up', '--help'], ['ping', '--help']]) {
      const { code, output } = await offline(t, elsewhere, ['./sally', ...args], { HOME: '' });
      assert.equal(code, 0, output);
    }
  });

  await t.test('another user than the owner can use the checkout, and leaves nothing in it', async () => {
    const home = join(folder, 'home');
    mkdirSync(home);
    chmodSync(home, 0o777);
    const help = await offline(t, home, [...unprivileged, join(checkout, 'bin/sally'), 'gateways', '--help'], {
      HOME: home,
    });
    assert.equal(help.code, 0, help.output);
    writeFileSync(join(checkout, 'node_modules/.sallyport-setup'), 'stale');
    const npm = [...unprivileged, ...start, '--data-dir', join(home, 'data')];
    const { code, output } = await offline(t, checkout, npm, { HOME: home }, ready);
    assert.equal(code, 0, output);
    assert.doesNotMatch(output, /set-up:|Permission denied|cannot create/);
    assert.equal(readFileSync(join(checkout, 'node_modules/.sallyport-setup'), 'utf8'), 'stale');
  });

  await t.test('a read-only checkout works', async () => {
    const mount = 'mount --bind "$1" "$1" && mount -o remount,ro,bind "$1"; cd "$1"; shift; exec "$@"';
    const readOnly = ['unshare', '--mount', 'sh', '-c', mount, 'sh', checkout];
    const { code, output } = await offline(
      t,
      folder,
      [...readOnly, ...start, ...data('second')],
      { HOME: folder },
      ready,
    );
    assert.equal(code, 0, output);
    assert.doesNotMatch(output, /set-up:|[Rr]ead-only|cannot create/);
  });
});
