import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Cleanup, PostgresServer } from '@sallyport/testkit';

/** The part of `npm run test:postgres` that tells most: writes, texts, labels, pages and numbers that tenants share. */
const files = [
  'apps/controller/src/db/store.test.ts',
  'apps/controller/src/db/change-log.test.ts',
  'apps/controller/src/labels.test.ts',
  'apps/controller/src/features/users/filters.test.ts',
  'apps/controller/src/overlay/allocator.test.ts',
];

test('tests of the controller pass on PostgreSQL', async (t) => {
  const cleanup = new Cleanup();
  t.after(() => cleanup.run());
  const server = await PostgresServer.start(cleanup);
  const child = spawn(process.execPath, ['--test', '--test-reporter=tap', ...files], {
    cwd: fileURLToPath(new URL('../..', import.meta.url)),
    // The test runner tells its children by a variable that they run in it.
    env: { PATH: process.env.PATH ?? '', TEST_POSTGRES_URL: server.url() },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  cleanup.add(async () => void child.kill('SIGKILL'));
  const [output, errors, code] = await Promise.all([
    child.stdout.toArray(),
    child.stderr.toArray(),
    new Promise((resolve) => child.once('exit', resolve)),
  ]);
  assert.equal(code, 0, `${output.join('')}\n${errors.join('')}`);
  const used = await server.sql("SELECT xact_commit FROM pg_stat_database WHERE datname = 'sallyport_template'");
  assert.ok(Number(used) > 0, 'they ran on this server');
});
