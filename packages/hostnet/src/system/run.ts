import { spawn } from 'node:child_process';
import { HostNetError } from '../errors.ts';

/** Exit code and output of a program. */
export interface RunResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Search path for the system programs of all distributions. The programs inherit no other variable. */
export const TOOL_ENVIRONMENT = { PATH: '/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin', LC_ALL: 'C' };

/** A system program that this package runs. */
export type Tool = 'nft' | 'ip' | 'conntrack';

/**
 * Runs a program to its end, with `input` as standard input. `onStart` receives the process id. Throws `missing-tool`.
 * Any exit code is a result.
 */
export function run(
  tool: Tool,
  args: readonly string[],
  input = '',
  onStart?: (pid: number) => void,
): Promise<RunResult> {
  const out: Buffer[] = [];
  return begin(tool, args, { input, onStart, onOutput: (data) => out.push(data) }).then(({ code, stderr }) => ({
    ...{ code, stderr },
    stdout: Buffer.concat(out).toString(),
  }));
}

/**
 * Runs a program that must succeed within a minute, and passes on each line of its output. For programs that print more
 * than should be held at once.
 */
export async function eachLine(tool: Tool, args: readonly string[], onLine: (line: string) => void): Promise<void> {
  let rest = '';
  const onOutput = (data: Buffer) => {
    const lines = (rest + data.toString('latin1')).split('\n');
    rest = lines.pop() ?? '';
    lines.forEach(onLine);
  };
  const { code, stderr } = await begin(tool, args, { input: '', onOutput, timeoutMs: 60_000 });
  if (code !== 0) throw failure(tool, { code, stdout: '', stderr });
}

interface Begin {
  readonly input: string;
  readonly onOutput: (data: Buffer) => void;
  readonly onStart?: ((pid: number) => void) | undefined;
  /** The program is killed after this time. */
  readonly timeoutMs?: number;
}

function begin(tool: Tool, args: readonly string[], options: Begin): Promise<{ code: number; stderr: string }> {
  const { input, onOutput, onStart, timeoutMs } = options;
  return new Promise((resolve, reject) => {
    // Uses a separate session: Ctrl-C in our terminal must not stop a command that undoes changes.
    const own = { env: TOOL_ENVIRONMENT, detached: true, timeout: timeoutMs, killSignal: 'SIGKILL' } as const;
    const child = spawn(tool, args, { ...own, stdio: ['pipe', 'pipe', 'pipe'] });
    const err: Buffer[] = [];
    if (child.pid !== undefined) onStart?.(child.pid);
    child.on('error', (error) => reject(startError(tool, error)));
    child.stdout.on('data', onOutput);
    child.stderr.on('data', (data: Buffer) => err.push(data));
    // A program that ends before it has read its input explains this by its exit code.
    child.stdin.on('error', () => {});
    child.on('close', (code) => resolve({ code: code ?? -1, stderr: Buffer.concat(err).toString() }));
    child.stdin.end(input);
  });
}

/** Runs a program that must succeed, and returns its standard output. */
export async function output(tool: Tool, args: readonly string[], input = ''): Promise<string> {
  const result = await run(tool, args, input);
  if (result.code !== 0) throw failure(tool, result);
  return result.stdout;
}

/** Parses the JSON output of a program. Throws `bad-output`. */
export function parseJson(tool: Tool, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new HostNetError('bad-output', `${tool} did not answer in JSON`, null, { cause });
  }
}

/** Returns the error for a failed program, based on its output. */
export function failure(tool: Tool, { code, stderr }: RunResult): HostNetError {
  const message = `${tool} failed (${code}): ${firstLines(stderr)}`;
  if (/Operation not permitted|must be root|Permission denied/i.test(stderr)) {
    return new HostNetError('no-privilege', message, 'Run as root, or give the process CAP_NET_ADMIN.');
  }
  if (/not supported|Unable to initialize Netlink/i.test(stderr)) {
    return new HostNetError('unsupported-kernel', message, UNSUPPORTED_HINT);
  }
  return new HostNetError('rejected', message);
}

const UNSUPPORTED_HINT =
  'The kernel needs nf_tables with inet, conntrack, NAT, reject and connection limits (Linux 6.1 or newer).';

/** Returns the error for a program that could not be started. */
export function startError(tool: Tool, error: NodeJS.ErrnoException): HostNetError {
  if (error.code !== 'ENOENT') return new HostNetError('no-privilege', `${tool} cannot be started: ${error.message}`);
  const debianPackage = { nft: 'nftables', ip: 'iproute2', conntrack: 'conntrack' }[tool];
  return new HostNetError('missing-tool', `${tool} is not installed`, `Install it: apt-get install ${debianPackage}`);
}

function firstLines(text: string): string {
  const lines = text.trim().split('\n').slice(0, 2).join(' ');
  return lines.length > 400 ? `${lines.slice(0, 400)}…` : lines;
}
