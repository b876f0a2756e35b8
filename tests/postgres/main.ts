// Runs tests on PostgreSQL in place of the embedded database, on a server of their own. Run by scripts/test-postgres.sh.
// With files or folders as arguments, only those. With --pooler, statements go through PgBouncer. Exit code 0 when all of it
// passes.
import { spawn } from 'node:child_process';
import process from 'node:process';
import { Cleanup, PgBouncer, PostgresServer, runStoppable } from '@sallyport/testkit';

/** The suites that ask for a store or a controller, whatever its database. */
const suites = ['apps/controller', 'tests/api', 'tests/protocol'];

async function main(): Promise<number> {
  const cleanup = new Cleanup();
  try {
    const server = await PostgresServer.start(cleanup);
    const paths = process.argv.slice(2).filter((word) => word !== '--pooler');
    const pooled = process.argv.includes('--pooler');
    const pooler = pooled ? { TEST_POSTGRES_POOLER_URL: (await PgBouncer.start(cleanup, server)).url() } : {};
    const child = spawn(process.execPath, ['scripts/test.ts', ...(paths.length > 0 ? paths : suites)], {
      stdio: 'inherit',
      env: { ...process.env, TEST_POSTGRES_URL: server.url(), ...pooler },
    });
    return await new Promise((resolve) => child.once('exit', (code) => resolve(code ?? 1)));
  } finally {
    await cleanup.run();
  }
}

process.exit(await runStoppable(process, main));
