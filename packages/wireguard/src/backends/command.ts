import { spawn } from 'node:child_process';
import { WireGuardError } from '../errors.ts';
import { missingTool, noPrivilege } from './failures.ts';

/** Fixed search path of system programs. The environment of the agent does not affect it. */
export const SYSTEM_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** Options for running a program. */
export interface CommandOptions {
  /** Colon-separated directories. Default: `SYSTEM_PATH`. */
  readonly path?: string;
  /** Milliseconds after which the program is killed. Default: 10,000. */
  readonly timeoutMs?: number;
  /** An open file that the program sees as /dev/fd/3. */
  readonly inputFd?: number;
}

/** Output and exit code of a program. */
export interface CommandResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program to its end. Rejects with `missing-tool` or `timeout`. A non-zero exit code does not reject. */
export function tryCommand(
  program: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<CommandResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      cwd: '/',
      env: { PATH: options.path ?? SYSTEM_PATH, LC_ALL: 'C' },
      stdio: ['ignore', 'pipe', 'pipe', options.inputFd ?? 'ignore'],
      // In its own session, detached from the terminal: Ctrl-C must neither interrupt an undo nor end a daemon.
      detached: true,
    });
    const output = { stdout: '', stderr: '' };
    for (const stream of ['stdout', 'stderr'] as const) {
      child[stream]?.setEncoding('utf8').on('data', (text: string) => {
        output[stream] += text;
      });
    }
    const timeoutMs = options.timeoutMs ?? 10_000;
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      reject(new WireGuardError('timeout', `${program} ${args[0] ?? ''} took longer than ${timeoutMs} ms`));
    }, timeoutMs);
    child.on('error', (error: NodeJS.ErrnoException) => {
      clearTimeout(timer);
      reject(spawnFailure(program, error));
    });
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      if (signal === null) resolve({ ...output, exitCode: code ?? 1 });
      else reject(new WireGuardError('failed', `${program} was ended by ${signal}`));
    });
  });
}

/** Runs a program and returns its standard output. Rejects when the program fails. */
export async function runCommand(
  program: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<string> {
  const result = await tryCommand(program, args, options);
  if (result.exitCode !== 0) throw commandFailure(program, args, result);
  return result.stdout;
}

/** Returns the error for a failed run. */
export function commandFailure(program: string, args: readonly string[], result: CommandResult): WireGuardError {
  const said = readable(`${result.stderr}\n${result.stdout}`);
  if (/operation not permitted|permission denied/i.test(said)) return noPrivilege();
  const what = `${program} ${args.slice(0, 2).join(' ')} failed with exit code ${result.exitCode}`;
  return new WireGuardError('failed', said === '' ? what : `${what}: ${said}`);
}

function spawnFailure(program: string, error: NodeJS.ErrnoException): WireGuardError {
  if (error.code === 'ENOENT') return missingTool(program);
  return new WireGuardError('failed', `${program} cannot be started (${error.code ?? 'unknown reason'})`);
}

/** Returns the last lines of a program's output, without frames, control characters or text that looks like a key. */
function readable(output: string): string {
  const lines = output.split('\n').filter((line) => line.trim() !== '' && !/[┌│└]/.test(line));
  const text = lines.slice(-3).join('; ');
  return text
    .replace(/[A-Za-z0-9+/]{43}=|[0-9a-fA-F]{64}/g, '(key)')
    .replace(/[\u0000-\u001f\u007f]+/g, ' ')
    .slice(0, 300);
}
