import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { type Cleanup, type Namespace, until } from '@sallyport/testkit';

/** Returns the command that starts a program inside of a system, as a user (`NAME:GROUP`). */
export type Entrance = (user: string) => readonly [string, ...string[]];

/** Enters a folder with a system that has not booted, in a network namespace. */
export const changedRoot =
  (folder: string, namespace: Namespace): Entrance =>
  (user) => ['ip', 'netns', 'exec', namespace.name, 'chroot', `--userspec=${user}`, folder];

/** A bare system. Programs run as its root. */
export class BareHost {
  /** Its root, as this machine sees it: without what the system mounts itself. */
  readonly folder: string;
  readonly #enter: Entrance;
  readonly #cleanup: Cleanup;

  constructor(folder: string, enter: Entrance, cleanup: Cleanup) {
    this.folder = folder;
    this.#enter = enter;
    this.#cleanup = cleanup;
  }

  /** Starts a shell script. Its user is root, or the named one. */
  start(script: string, { env = {}, user = 'root' }: RunOptions = {}): Running {
    this.#cleanup.check();
    const [file, ...args] = [...this.#enter(user), 'bash', '-euc', script];
    const child = spawn(file, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { HOME: '/root', PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', ...env },
    });
    const running = new Running(child);
    this.#cleanup.add(() => running.end('SIGKILL'));
    return running;
  }

  /** Runs a script to its end, and returns its output. Throws when it fails. */
  async run(script: string, options: RunOptions = {}): Promise<string> {
    const running = this.start(script, options);
    const code = await running.ended;
    if (code !== 0) throw new Error(`${script}\nended with ${code}:\n${running.output}`);
    return running.output.trim();
  }

  /** Like `run`, for a script that must fail. */
  async fails(script: string, options: RunOptions = {}): Promise<string> {
    const running = this.start(script, options);
    if ((await running.ended) === 0) throw new Error(`${script}\nwent well:\n${running.output}`);
    return running.output.trim();
  }
}

interface RunOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly user?: string;
}

/** A program that runs, with its output. */
export class Running {
  readonly ended: Promise<number | null>;
  readonly #child: ChildProcess;
  #output = '';

  constructor(child: ChildProcess) {
    this.#child = child;
    for (const stream of [child.stdout, child.stderr])
      stream?.on('data', (data: Buffer) => {
        this.#output = (this.#output + data.toString()).slice(-100_000);
      });
    this.ended = once(child, 'close').then(([code]) => code as number | null);
  }

  get output(): string {
    return this.#output;
  }

  async says(pattern: RegExp): Promise<void> {
    const over = () => this.#child.exitCode !== null || this.#child.signalCode !== null;
    await until(`output ${pattern}`, () => pattern.test(this.#output) || over());
    if (!pattern.test(this.#output)) throw new Error(`ended without ${pattern}:\n${this.#output}`);
  }

  async end(signal: NodeJS.Signals): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    this.#child.kill(signal);
    await this.ended;
  }
}
