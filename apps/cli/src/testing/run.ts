import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { run } from '../run.ts';
import type { Environment } from '../settings.ts';
import { API_KEY, type ApiServer } from './api-server.ts';

/** Exit code and output of a program. */
export interface Outcome {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** Environment and streams of a command line. */
export interface Circumstances {
  readonly env?: Environment;
  readonly stdin?: string;
  readonly tty?: boolean;
  /** Whether standard input is a terminal. */
  readonly stdinTty?: boolean;
  readonly columns?: number;
}

/** Runs a command line in this process with the address and key of `api`. */
export async function sally(
  api: ApiServer | undefined,
  args: readonly string[],
  with_: Circumstances = {},
): Promise<Outcome> {
  let out = '';
  let err = '';
  const terminal = { isTTY: with_.tty === true, columns: with_.columns ?? 200 };
  const code = await run(args, {
    env: { ...environment(api), ...with_.env },
    version: '0.0.0',
    stdin: Object.assign(Readable.from([with_.stdin ?? '']), { isTTY: with_.stdinTty === true }),
    stdout: { ...terminal, write: (text: string) => (out += text) },
    stderr: { ...terminal, write: (text: string) => (err += text) },
    now: () => new Date('2026-11-23T12:00:00Z'),
    wait: async () => {},
    randomBytes: (size) => crypto.getRandomValues(new Uint8Array(size)),
    clientStateDir: '/nonexistent',
  });
  return { code, out, err };
}

/** Runs the real program in its own process. */
export async function spawnSally(
  api: ApiServer | undefined,
  args: readonly string[],
  cwd: string,
  with_: Circumstances = {},
): Promise<Outcome> {
  const main = fileURLToPath(new URL('../main.ts', import.meta.url));
  return spawnProgram(process.execPath, [main, ...args], cwd, { ...environment(api), ...with_.env }, with_.stdin);
}

/** Runs a program in its own process until it ends. */
export async function spawnProgram(
  file: string,
  args: readonly string[],
  cwd: string,
  env: Environment,
  stdin = '',
): Promise<Outcome> {
  const child = spawn(file, args, {
    cwd,
    env: { PATH: process.env.PATH, HOME: cwd, XDG_CACHE_HOME: cache, ...env },
    stdio: 'pipe',
  });
  let out = '';
  let err = '';
  child.stdout.on('data', (chunk) => (out += chunk));
  child.stderr.on('data', (chunk) => (err += chunk));
  // A program may end before it reads its input.
  child.stdin.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
  });
  child.stdin.end(stdin);
  const code = await new Promise<number | null>((resolve, reject) => child.on('error', reject).on('close', resolve));
  return { code, out, err };
}

/** Creates a temporary folder. The end of the test removes it. */
export async function folder(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'sally-cli-'));
  t.after(() => rm(path, { recursive: true, force: true }));
  return path;
}

/** Compile cache that all test processes share. It contains no source. */
const cache = fileURLToPath(new URL('../../../../node_modules/.cache', import.meta.url));

const environment = (api: ApiServer | undefined): Environment =>
  api === undefined ? {} : { SALLYPORT_URL: api.url, SALLYPORT_API_KEY: API_KEY };
