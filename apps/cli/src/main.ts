import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { writeSync } from 'node:fs';
import { enableCompileCache } from 'node:module';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { stopRequested } from '@sallyport/program';
import { type ProgramName, programArguments, version } from '@sallyport/program/place';

// The compile cache halves the start-up time. It is in the user's own folder, because code must not come from a folder
// that others can write to.
const { XDG_CACHE_HOME, HOME } = process.env;
const cache = XDG_CACHE_HOME || (HOME ? join(HOME, '.cache') : undefined);
if (cache !== undefined) enableCompileCache(join(cache, 'sallyport'));

// A reader that closes the pipe early (`sally devices list | head`) is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit(0);
});
process.stderr.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
});

const [first, ...more] = process.argv.slice(2);
process.exitCode = first === '--version' && more.length === 0 ? printVersion() : await runCommand();

/** Answers without the command tree, which takes longer to load than everything else. */
function printVersion(): number {
  process.stdout.write(`${version}\n`);
  return 0;
}

async function runCommand(): Promise<number> {
  const { run } = await import('./run.ts');
  return run(process.argv.slice(2), {
    env: process.env,
    version,
    stdin: process.stdin,
    stdout: process.stdout,
    stderr: process.stderr,
    now: () => new Date(),
    wait: (milliseconds) => wait(milliseconds),
    randomBytes,
    hostName: hostname(),
    openBrowser,
    argv: process.argv.slice(2),
    runClient: (args) => runProgram('client', args),
    runOperator: (args) => runProgram('backup', args),
    signal,
    stopRequested: (left) =>
      stopRequested(process, { closedOutput: 'continue', write: (text) => writeSync(2, text), left }),
  });
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** Opens an address in the person's browser. The address is printed as well, so a failure does not matter. */
function openBrowser(url: string): void {
  const program = process.platform === 'darwin' ? 'open' : 'xdg-open';
  const child = spawn(program, [url], { stdio: 'ignore', detached: true });
  child.once('error', () => undefined);
  child.unref();
}

function runProgram(name: ProgramName, args: readonly string[]): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [...programArguments(name), ...args], { stdio: 'inherit' });
    child.once('error', reject);
    // This process exits when the program does; otherwise the program would continue to write.
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => child.kill(signal));
    child.once('exit', (code) => resolve(code ?? 1));
  });
}
