import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { type FileHandle, mkdir, open, readFile, rename, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { readCaFile } from '@sallyport/agent-runtime/ca-file';
import type { ClientStatus } from '@sallyport/contract/local';
import { clean } from '@sallyport/contract/text';
import type { UpCommand } from '../arguments.ts';
import { CommandError, UsageError } from '../failure.ts';
import type { LocalConnection } from '../local/client.ts';
import { isReady } from '../state/readiness.ts';
import { type Output, reachDaemon } from './ask.ts';
import { lastComplaint, lastFailure } from './log-tail.ts';
import { unitIsEnabled } from './systemd.ts';
import { reachableText } from './tell.ts';
import { untilReady } from './wait.ts';

/** Environment of the `up` command. */
export interface UpContext extends Output {
  /** Program and first arguments that start a daemon, before `run`. */
  readonly program: readonly [string, ...string[]];
  /** Environment of the daemon: the place of the enrolment key, and certificates. */
  readonly environment: NodeJS.ProcessEnv;
  /** Ends a process that does not answer on the socket. */
  readonly kill: (pid: number) => void;
  /** Replaces the last line of a terminal; null when standard error is no terminal. */
  readonly progress: ((line: string) => void) | null;
}

/** Connects this device, or reports that it is connected. Returns 0 when every allowed destination is reachable. */
export async function upClient(command: UpCommand, context: UpContext): Promise<number> {
  checkPrivilege();
  if (command.caFile !== null) readCaFile(command.caFile);
  const running = await daemonToKeep(command, context.kill);
  const started = running === null ? await startDaemon(command, context) : null;
  try {
    const status = await untilReady({
      daemon: running,
      stateDir: command.stateDir,
      timeoutMs: command.timeoutMs,
      failed: () => started?.failed() ?? null,
      complaint: async () => (await started?.complaint()) ?? null,
      progress: (command.json ? null : context.progress) ?? (() => {}),
      accept: (first) => checkController(command, first),
    });
    return tell(status, running !== null, command, context);
  } finally {
    await started?.leave();
  }
}

/**
 * Returns a connection to the running daemon, if any. A daemon that never enrolled is ended and forgotten when the
 * settings differ, because it would keep a wrong address or key.
 */
async function daemonToKeep(command: UpCommand, kill: UpContext['kill']): Promise<LocalConnection | null> {
  const running = await reachDaemon(command.stateDir);
  const { controller, keyFile, insecure, caFile } = command;
  const changes = [controller, keyFile, insecure, caFile].some((value) => value !== null);
  if (running === null || !changes) return running;
  const reply = await running.ask({ op: 'status' });
  if (reply?.type === 'status' && reply.status.enrolled) return running;
  running.close();
  const { downClient } = await import('./down.ts');
  await downClient({ stateDir: command.stateDir, forget: false }, kill);
  return null;
}

/**
 * Reads the state from disk instead of asking the daemon, so that nothing is left behind where the client cannot work.
 */
function checkPrivilege(): void {
  const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'latin1'))?.[1] ?? '0';
  if (((BigInt(`0x${effective}`) >> capNetAdmin) & 1n) === 1n) return;
  throw new CommandError(
    'a tunnel changes the network of this machine, which needs root or CAP_NET_ADMIN: run the command with sudo',
  );
}

const capNetAdmin = 12n;

function checkController({ controller }: UpCommand, status: ClientStatus): void {
  if (controller === null || sameAddress(controller, status.controller.url)) return;
  throw new UsageError(
    `this device belongs to ${status.controller.url}: run "sally down --forget" before you connect it to ${controller}`,
  );
}

function sameAddress(a: string, b: string): boolean {
  const host = (text: string) => URL.parse(/^[a-z]+:\/\//i.test(text) ? text : `https://${text}`)?.host;
  return a === b || (host(a) !== undefined && host(a) === host(b));
}

function tell(status: ClientStatus, was: boolean, command: UpCommand, { out, error, progress }: UpContext): number {
  if (command.json) {
    out(`${JSON.stringify(status)}\n`);
    return isReady(status) ? 0 : 1;
  }
  progress?.('');
  const { url, connected } = status.controller;
  const where = connected ? `connected to ${url}` : `${url} does not answer, so its last state is in use`;
  out(`${was ? 'Already up' : 'Up'}: ${where}. From here:\n${reachableText(status)}`);
  for (const note of status.notes) out(`${clean(note)}\n`);
  if (isReady(status)) return 0;
  error('Some destinations are not reachable yet; the daemon keeps trying. See sally status.\n');
  return 1;
}

interface Started {
  /** Returns why the daemon ended; null while it runs. */
  failed(): Promise<string> | null;
  complaint(): Promise<string | null>;
  /** Lets the daemon continue on its own. */
  leave(): Promise<void>;
}

async function startDaemon(command: UpCommand, context: UpContext): Promise<Started | null> {
  if (await unitIsEnabled(command.stateDir)) {
    const { startByUnit } = await import('./up-by-unit.ts');
    await startByUnit(command, context.environment);
    return null;
  }
  const stateDir = resolve(command.stateDir);
  await mkdir(stateDir, { recursive: true, mode: 0o700 });
  const log = await openLog(join(stateDir, 'client.log'));
  const { size } = await log.stat();
  const child = spawnDaemon(command, context, stateDir, log);
  let code: number | null = null;
  child.once('exit', (exitCode) => {
    code = exitCode ?? 1;
  });
  child.once('error', () => {
    code ??= 1;
  });
  const text = () => readFile(join(stateDir, 'client.log'), 'utf8');
  return {
    failed: () => (code === null ? null : text().then(lastFailure(size))),
    complaint: () => text().then(lastComplaint(size)),
    leave: async () => {
      child.unref();
      await log.close();
    },
  };
}

/**
 * Starts the daemon in its own session, so that it outlives the terminal. The key is passed by file, standard input or
 * environment.
 */
function spawnDaemon(command: UpCommand, context: UpContext, stateDir: string, log: FileHandle): ChildProcess {
  const { keyFile, controller, insecure, caFile, wireguard, logLevel } = command;
  const value = (name: string, text: string | null): string[] => (text === null ? [] : [name, text]);
  const [file, ...first] = context.program;
  const args = [
    ...first,
    'run',
    ...['--state-dir', stateDir, '--log-level', logLevel],
    ...value('--controller', controller),
    ...value('--ca-file', caFile),
    ...value('--interface', command.interface),
    ...value('--wireguard', wireguard),
    ...value('--dns', command.dns),
    ...value('--enrolment-key-file', keyFile === null || keyFile === '-' ? keyFile : resolve(keyFile)),
    ...(insecure === true ? ['--insecure'] : []),
  ];
  const stdin = keyFile === '-' ? 'inherit' : 'ignore';
  return spawn(file, args, {
    detached: true,
    cwd: '/',
    env: context.environment,
    stdio: [stdin, log.fd, log.fd],
  });
}

async function openLog(path: string): Promise<FileHandle> {
  const before = await stat(path).catch(() => null);
  if (before !== null && before.size > longestLog) await rename(path, `${path}.old`);
  return open(path, 'a', 0o600);
}

const longestLog = 4 << 20;
