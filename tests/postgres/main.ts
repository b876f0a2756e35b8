// Runs tests on PostgreSQL in place of the embedded database, on a server of their own. Run by scripts/test-postgres.sh.
// With files or folders as arguments, only those. Exit code 0 when all of it passes.
import { spawn } from 'node:child_process';
import process from 'node:process';
import { Cleanup, PostgresServer, runStoppable } from '@sallyport/testkit';

/** The suites that ask for a store or a controller, whatever its database. */
const suites = ['apps/controller', 'tests/api', 'tests/protocol'];

async function main(): Promise<number> {
  const cleanup = new Cleanup();
  try {
    const server = await PostgresServer.start(cleanup);
    const paths = process.argv.slice(2);
    const child = spawn(process.execPath, ['scripts/test.ts', ...(paths.length > 0 ? paths : suites)], {
      stdio: 'inherit',
      env: { ...process.env, TEST_POSTGRES_URL: server.url() },
    });
    return await new Promise((resolve) => child.once('exit', (code) => resolve(code ?? 1)));
  } finally {
    await cleanup.run();
  }
}

process.exit(await runStoppable(process, main));
