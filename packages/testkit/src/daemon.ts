import { type ChildProcess, spawn } from 'node:child_process';
import type { Cleanup } from './cleanup.ts';
import type { Namespace } from './netns.ts';
import { patienceMs, until } from './wait.ts';

/** A daemon under test: the real program, in a namespace or on this host, with its output recorded. */
export class Daemon {
  readonly child: ChildProcess;
  #output = '';

  private constructor(child: ChildProcess) {
    this.child = child;
    child.stdout?.on('data', (data: Buffer) => this.#keep(data));
    child.stderr?.on('data', (data: Buffer) => this.#keep(data));
  }

  static start(
    args: readonly string[],
    options: {
      cleanup: Cleanup;
      namespace?: Namespace;
      env?: Record<string, string>;
      input?: string;
      cwd?: string;
      /** Command that starts the daemon; the program and its arguments follow. */
      wrapper?: readonly string[];
    },
  ): Daemon {
    const command = [...(options.wrapper ?? []), process.execPath, ...args];
    const [file = '', ...rest] =
      options.namespace === undefined ? command : ['ip', 'netns', 'exec', options.namespace.name, ...command];
    options.cleanup.check();
    const child = spawn(file, rest, {
      stdio: [options.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
      env: { PATH: process.env.PATH ?? '', HOME: process.env.HOME ?? '/', ...options.env },
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    });
    child.stdin?.write(options.input ?? '');
    const daemon = new Daemon(child);
    options.cleanup.add(() => daemon.kill('SIGKILL'));
    return daemon;
  }

  get output(): string {
    return this.#output;
  }

  get running(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  /** Waits until the output matches. Fails with the output when the daemon ends first. */
  async says(pattern: RegExp, timeoutMs = patienceMs): Promise<RegExpMatchArray> {
    const found = await until(`output ${pattern}`, () => this.#output.match(pattern) ?? !this.running, {
      timeoutMs,
    }).catch((error) => {
      throw new Error(`${(error as Error).message}; it said:\n${this.#output}`);
    });
    if (found === true)
      throw new Error(`the daemon ended (${this.child.exitCode ?? this.child.signalCode}); it said:\n${this.#output}`);
    return found as RegExpMatchArray;
  }

  async kill(signal: NodeJS.Signals): Promise<void> {
    if (!this.running) return;
    const gone = new Promise((resolve) => this.child.once('exit', resolve));
    this.child.kill(signal);
    await gone;
  }

  #keep(data: Buffer): void {
    this.#output = (this.#output + data.toString()).slice(-200_000);
  }
}
