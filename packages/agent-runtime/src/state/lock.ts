import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { access, link, mkdir, readFile, readlink, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { UsageError } from '../failure.ts';

export interface Lock {
  release(): Promise<void>;
}

/**
 * One agent per state directory, and per interface of a network namespace. A lock of a process that is gone is taken over;
 * process ids are told apart by their start time. Throws UsageError that names the process.
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

/** Process id of the agent that holds a state directory, or null. */
export async function lockHolder(stateDir: string): Promise<number | null> {
  return livingHolder(await readFile(join(stateDir, 'agent.lock'), 'utf8').catch(() => ''));
}

/** Where the directory for running programs cannot be written, the kernel's own refusals have to do. */
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

async function acquire(path: string, what: string): Promise<Lock> {
  const mine = `${process.pid} ${await startTime(process.pid)}`;
  const temporary = `${path}.${randomBytes(4).toString('hex')}`;
  await writeFile(temporary, mine, { mode: 0o600 });
  try {
    for (let attempt = 0; attempt < 5; attempt++) {
      if (await tryLink(temporary, path)) return { release: () => release(path, mine) };
      const held = await readFile(path, 'utf8').catch(() => null);
      if (held === null) continue;
      const pid = await livingHolder(held);
      if (pid !== null)
        throw new UsageError(`${what} is in use by the agent with process id ${pid}; stop that one first`);
      await removeStale(path, held);
    }
  } finally {
    await rm(temporary, { force: true });
  }
  throw new UsageError(`${what} is being locked by several agents at once; start one of them again (lock ${path})`);
}

async function tryLink(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw new UsageError(`the lock ${to} cannot be made in ${dirname(to)} (${(error as NodeJS.ErrnoException).code})`);
  }
}

/** Takes it aside first: if somebody was faster and it is theirs by now, it is put back. */
async function removeStale(path: string, held: string): Promise<void> {
  const aside = `${path}.${randomBytes(4).toString('hex')}`;
  try {
    await rename(path, aside);
  } catch {
    return;
  }
  if ((await readFile(aside, 'utf8')) !== held) await tryLink(aside, path);
  await rm(aside, { force: true });
}

async function release(path: string, mine: string): Promise<void> {
  if ((await readFile(path, 'utf8').catch(() => null)) === mine) await rm(path, { force: true });
}

async function livingHolder(text: string): Promise<number | null> {
  const match = /^(\d+) (\d+)$/.exec(text);
  if (match === null) return null;
  const pid = Number(match[1]);
  return (await startTime(pid)) === match[2] ? pid : null;
}

/** Clock ticks after boot at which a process started (proc(5), field 22 of stat); empty when it is gone. */
async function startTime(pid: number): Promise<string> {
  const stat = await readFile(`/proc/${pid}/stat`, 'latin1').catch(() => '');
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
}
