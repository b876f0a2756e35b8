import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { API_KEY, startApi } from './testing/api-server.ts';
import { folder } from './testing/run.ts';

const program = fileURLToPath(new URL('../../../bin/sally', import.meta.url));

/** Exit code of a command line whose reader has gone before anything is written. */
async function exitCode(
  line: string,
  env: Record<string, string>,
  cwd: string,
): Promise<{ code: string; err: string }> {
  // `true` ends at once, and long before Node.js has started.
  const script = `{ ${line}; echo "code $?" >&3; } 3>code 2>&1 | true; cat code`;
  const all = { PATH: process.env.PATH ?? '', HOME: cwd, SALLY: program, ...env };
  const { stdout, stderr } = await promisify(execFile)('bash', ['-c', script], { cwd, env: all });
  return { code: stdout.trim(), err: stderr };
}

test('a reader that closes its pipe early causes no failure', async (t) => {
  const api = await startApi(t);
  const dir = await folder(t);
  const env = { SALLYPORT_URL: api.url, SALLYPORT_API_KEY: API_KEY };
  for (const line of [
    '"$SALLY" devices list --json',
    '"$SALLY" --help',
    '"$SALLY" gateways rekey berlin >/dev/null',
    '"$SALLY" ping --help',
    '"$SALLY" gateway status --help',
  ]) {
    const { code, err } = await exitCode(line, env, dir);
    assert.deepEqual([code, err], ['code 0', ''], line);
  }
});
