import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';

const run = promisify(execFile);
const root = join(import.meta.dirname, '../..');
const consoleMissing = existsSync(join(root, 'apps/console/dist/app'))
  ? false
  : 'the console is not built: node apps/console/build.ts';

/** Environment without anything of the checkout. */
const bare = (home: string) => ({ PATH: '/usr/bin:/bin', HOME: home });

test('the package', { skip: consoleMissing }, async (t) => {
  const parent = mkdtempSync(join(tmpdir(), 'sallyport-package-'));
  after(() => rmSync(parent, { recursive: true, force: true }));
  let folder = '';

  before(async () => {
    folder = await build(join(parent, 'first'));
  });

  await t.test('two builds are equal byte for byte', async () => {
    const second = await build(join(parent, 'second'));
    assert.deepEqual(hashes(second), hashes(folder));
    rmSync(join(parent, 'second'), { recursive: true });
  });

  await t.test('it runs from any folder, without npm, node or the checkout', async (t) => {
    const moved = join(parent, 'moved to a folder with spaces');
    cpSync(folder, moved, { recursive: true });
    const sally = (...args: string[]) => run(join(moved, 'bin/sally'), args, { env: bare(parent), cwd: parent });
    const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
    assert.equal((await sally('--version')).stdout, `${version}\n`);
    for (const command of [['gateway', 'run'], ['up'], ['operator', 'backup'], ['controller', 'run'], ['gateways']])
      assert.match((await sally(...command, '--help')).stdout, /Usage|usage|sally|SALLYPORT/, command.join(' '));

    const port = await new Promise<string>((resolve, reject) => {
      const args = ['--listen', '127.0.0.1:0', '--metrics-listen', 'off', '--local-gateway', 'off'];
      const controller = spawn(
        join(moved, 'bin/sally'),
        ['controller', 'run', ...args, '--data-dir', join(parent, 'data')],
        {
          env: { ...bare(parent), SALLYPORT_BOOTSTRAP_API_KEY: key },
          cwd: parent,
        },
      );
      t.after(async () => {
        const ended = new Promise((ended) => controller.on('exit', ended));
        controller.kill('SIGTERM');
        await ended;
      });
      let said = '';
      const hear = (text: Buffer) => {
        said += text;
        const found = /Address +http:\/\/127\.0\.0\.1:(\d+)/.exec(said)?.[1];
        if (found !== undefined) resolve(found);
      };
      controller.stdout.on('data', hear);
      controller.stderr.on('data', hear);
      controller.on('exit', (code) => reject(new Error(`the controller ended (${code}): ${said}`)));
    });
    for (const path of ['readyz', 'console/', 'openapi.json', 'docs/swagger-ui-bundle.js', 'docs/swagger-ui.css']) {
      const response = await fetch(`http://localhost:${port}/${path}`);
      assert.equal(response.status, 200, path);
      assert.ok((await response.text()).length > 10, path);
    }
    const login = { SALLYPORT_URL: `http://127.0.0.1:${port}`, SALLYPORT_API_KEY: key };
    const list = ['gateways', 'list', '--json'];
    const { stdout } = await run(join(moved, 'bin/sally'), list, { env: { ...bare(parent), ...login } });
    assert.equal(JSON.parse(stdout).total ?? JSON.parse(stdout).length, 0);
  });

  await t.test('it holds the licences of everything in it, and no source, test or path of the machine', () => {
    const names = filesOf(folder);
    for (const expected of ['LICENSE', 'NOTICES.txt', 'sbom.json']) assert.ok(names.includes(expected), expected);
    assert.deepEqual(
      names.filter((name) => /\.(ts|tsx|map)$|\.test\./.test(name)),
      [],
    );
    for (const name of names.filter((name) => /^programs\/.*\.js$/.test(name)))
      assert.ok(!readFileSync(join(folder, name), 'utf8').includes(root), `${name} names ${root}`);
  });
});

const key = 'test-bootstrap-key-0123456789abcdefgh';

async function build(out: string): Promise<string> {
  const { stdout } = await run(
    process.execPath,
    [join(root, 'build/main.ts'), '--no-archive', '--no-wireguard-go', '--out', out],
    {
      cwd: tmpdir(),
    },
  );
  return stdout.trim();
}

function filesOf(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
    .sort();
}

/** Each file with its hash and whether it can be run. */
function hashes(folder: string): Record<string, string> {
  const of = (name: string) => {
    const hash = createHash('sha256').update(readFileSync(join(folder, name)));
    return `${hash.digest('hex')} ${(statSync(join(folder, name)).mode & 0o100) !== 0}`;
  };
  return Object.fromEntries(filesOf(folder).map((name) => [name, of(name)]));
}
