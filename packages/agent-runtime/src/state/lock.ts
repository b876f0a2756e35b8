import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { access, mkdir, readFile, readlink, rename, rm, symlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { UsageError } from '../failure.ts';

/** A held lock. Another agent cannot start with the same state directory or name until it is released. */
export interface Lock {
  release(): Promise<void>;
}

/**
 * Allows one agent per state directory, and per interface of a network namespace. It takes over locks of ended processes. The
 * start time detects reused process ids. Throws UsageError that names the process.
 */
export async function lockAgent(stateDir: string, interfaceName: string, runDir = '/run/sallyport'): Promise<Lock> {
  const first = await acquire(join(stateDir, 'agent.lock'), `the state directory ${stateDir}`);
  try {
    const second = await lockInterface(interfaceName, runDir);
    return {
      release: async () => {
        await second?.release();
        await first.release();
      },
    };
  } catch (error) {
    await first.release();
    throw error;
  }
}

/** Returns the process id of the agent that holds a state directory, or null. */
export async function lockHolder(stateDir: string): Promise<number | null> {
  return runningProcess((await holderText(join(stateDir, 'agent.lock'))) ?? '');
}

/** Locks an interface. Without a writable directory for locks, the kernel's own conflicts must suffice. */
async function lockInterface(interfaceName: string, runDir: string): Promise<Lock | null> {
  const namespace = (await readlink('/proc/self/ns/net').catch(() => '')).replace(/\D/g, '');
  try {
    await mkdir(runDir, { recursive: true, mode: 0o700 });
    await access(runDir, constants.W_OK | constants.X_OK);
  } catch {
    return null;
  }
  return acquire(join(runDir, `${interfaceName}-${namespace}.lock`), `the interface ${interfaceName}`);
}

/**
 * Creates a lock: a symbolic link whose target names the process. Its creation is atomic and needs no block on a full disk.
 * If even that fails, the agent runs without a lock, because it must enforce.
 */
async function acquire(path: string, what: string): Promise<Lock> {
  const mine = `${process.pid} ${await startTime(process.pid)}`;
  for (let attempt = 0; attempt < 5; attempt++) {
    const outcome = await tryLink(mine, path);
    if (outcome === 'made') return { release: () => release(path, mine) };
    if (outcome === 'no room') return { release: async () => undefined };
    const held = await holderText(path);
    if (held === null) continue;
    const pid = await runningProcess(held);
    if (pid !== null)
      throw new UsageError(`${what} is in use by the agent with process id ${pid}; stop that one first`);
    if (!(await removeStale(path, held))) return { release: async () => undefined };
  }
  throw new UsageError(`${what} is being locked by several agents at once; start one of them again (lock ${path})`);
}

async function tryLink(mine: string, path: string): Promise<'made' | 'taken' | 'no room'> {
  try {
    await symlink(mine, path);
    return 'made';
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') return 'taken';
    if (code === 'ENOSPC' || code === 'EDQUOT' || code === 'EROFS') return 'no room';
    throw new UsageError(`the lock ${path} cannot be made in ${dirname(path)} (${code})`);
  }
}

/** Reads a lock; null: none exists. Agents of older versions wrote the same text into a file. */
async function holderText(path: string): Promise<string | null> {
  return readlink(path).catch(() => readFile(path, 'utf8').catch(() => null));
}

/** Removes a stale lock. It renames the lock first and puts it back if it is new. Returns false on a read-only disk. */
async function removeStale(path: string, held: string): Promise<boolean> {
  const aside = `${path}.${randomBytes(4).toString('hex')}`;
  try {
    await rename(path, aside);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'EROFS';
  }
  const taken = await holderText(aside);
  if (taken !== null && taken !== held) await tryLink(taken, path);
  await rm(aside, { force: true });
  return true;
}

async function release(path: string, mine: string): Promise<void> {
  // The disk may have become read-only: a stale lock must not block the agent.
  if ((await holderText(path)) === mine) await rm(path, { force: true }).catch(() => undefined);
}

/** Returns `PID START` of a process, which tells reused process ids apart; null when it does not run. */
export async function processText(pid: number): Promise<string | null> {
  const started = await startTime(pid);
  return started === '' ? null : `${pid} ${started}`;
}

/** Returns the process id of a text of `processText` while that process runs; else null. */
export async function runningProcess(text: string): Promise<number | null> {
  const match = /^(\d+) (\d+)$/.exec(text);
  if (match === null) return null;
  const pid = Number(match[1]);
  return (await startTime(pid)) === match[2] ? pid : null;
}

/** Returns the start time of a process in clock ticks after boot (proc(5), field 22 of stat), or an empty text. */
async function startTime(pid: number): Promise<string> {
  const stat = await readFile(`/proc/${pid}/stat`, 'latin1').catch(() => '');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  // A process that has ended and was not waited for yet.
  return fields[0] === 'Z' || fields[0] === 'X' ? '' : (fields[19] ?? '');
}
