import type { ChildProcess } from 'node:child_process';
import { execFile, fork } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { promisify } from 'node:util';
import type { Methods } from './worker.ts';

const exec = promisify(execFile);

/** The reason why tests in network namespaces cannot run here, or false. */
export async function namespacesMissing(): Promise<string | false> {
  if (process.getuid?.() !== 0) return 'needs root';
  for (const tool of [
    ['nft', '--version'],
    ['ip', '-V'],
    ['ping', '-V'],
  ] as const) {
    const there = await exec(tool[0], [tool[1]]).then(
      () => true,
      () => false,
    );
    if (!there) return `needs ${tool[0]}`;
  }
  const name = `sph${randomBytes(3).toString('hex')}`;
  return exec('ip', ['netns', 'add', name]).then(
    () => exec('ip', ['netns', 'del', name]).then(() => false),
    () => 'cannot make network namespaces',
  );
}

/** A network namespace with a worker process in it. */
export class Namespace {
  readonly name: string;
  #child: ChildProcess | null = null;
  #next = 0;
  readonly #calls = new Map<number, { resolve: (value: never) => void; reject: (error: Error) => void }>();

  constructor(label: string) {
    this.name = `sp${randomBytes(3).toString('hex')}${label}`;
  }

  async start(): Promise<void> {
    await exec('ip', ['netns', 'add', this.name]);
    await this.exec('ip', 'link', 'set', 'lo', 'up');
    await this.restartWorker();
  }

  /** Starts a new worker after the previous one was killed. */
  async restartWorker(): Promise<void> {
    const child = fork(new URL('worker.ts', import.meta.url), {
      execPath: 'ip',
      execArgv: ['netns', 'exec', this.name, process.execPath],
      serialization: 'advanced',
    });
    this.#child = child;
    await new Promise<void>((resolve, reject) => {
      child.once('message', () => resolve());
      child.once('exit', (code) => reject(new Error(`worker ended with ${code}`)));
    });
    child.on('message', (message) => this.#answer(message as Answer));
  }

  async stop(): Promise<void> {
    const child = this.#child;
    if (child?.connected) {
      const gone = new Promise((resolve) => child.once('exit', resolve));
      child.disconnect();
      await gone;
    }
    await exec('ip', ['netns', 'del', this.name]).catch(() => {});
  }

  /** Kills only the worker, like a crash. */
  async killWorker(): Promise<void> {
    const child = this.#child;
    if (!child) return;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await gone;
  }

  async exec(...command: string[]): Promise<string> {
    return (await exec('ip', ['netns', 'exec', this.name, ...command], { maxBuffer: 1 << 28 })).stdout;
  }

  /** Runs several `ip` commands, one on each line. */
  async ip(text: string): Promise<void> {
    for (const line of text.trim().split('\n')) await this.exec('ip', ...line.trim().split(/\s+/));
  }

  /** Returns whether a command ends with exit code 0. */
  async succeeds(...command: string[]): Promise<boolean> {
    return this.exec(...command).then(
      () => true,
      () => false,
    );
  }

  call<M extends keyof Methods>(method: M, ...args: Parameters<Methods[M]>): Promise<Awaited<ReturnType<Methods[M]>>> {
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      this.#calls.set(id, { resolve, reject });
      this.#child?.send({ id, method, args });
    });
  }

  #answer({ id, value, error }: Answer): void {
    const call = this.#calls.get(id);
    this.#calls.delete(id);
    if (error) call?.reject(Object.assign(new Error(error.message), error));
    else call?.resolve(value as never);
  }
}

interface Answer {
  readonly id: number;
  readonly value?: unknown;
  readonly error?: { readonly message: string; readonly code?: string; readonly hint?: string };
}

/** Polls until the condition holds. Fails after a minute with the name of the condition. */
export async function until(what: string, condition: () => Promise<boolean>): Promise<void> {
  const end = performance.now() + 60_000;
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`waited in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
