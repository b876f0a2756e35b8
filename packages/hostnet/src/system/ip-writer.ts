import { type ChildProcess, spawn } from 'node:child_process';
import { HostNetError } from '../errors.ts';
import { failure, startError, TOOL_ENVIRONMENT } from './run.ts';

/** Milliseconds after which a silent program is killed. */
const PATIENCE_MS = 5_000;

/** The command after each batch. Its line on standard output shows that the kernel has taken everything before it. */
const MARKER = 'link show dev lo\n';
const MARKER_LINE = /^\d+: lo:.*\n$/s;

/** A write that waits for the program's answer. */
interface Pending {
  resolve(): void;
  reject(error: unknown): void;
}

/**
 * Gives batches of commands to one long-lived `ip -batch` of a family, so that a change starts no program. The program
 * ends at the first command that the kernel refuses, without the commands after it. The next write starts it again.
 *
 * The program remembers the indexes of interfaces. Call `renew` when interfaces may have changed.
 */
export class IpWriter {
  readonly #family: 4 | 6;
  readonly #patienceMs: number;
  #child: ChildProcess | null = null;
  #pending: Pending | null = null;
  #out = '';
  #err = '';

  constructor(family: 4 | 6, patienceMs = PATIENCE_MS) {
    this.#family = family;
    this.#patienceMs = patienceMs;
  }

  /** Process id of the program; null when none runs. */
  get pid(): number | null {
    return this.#child?.pid ?? null;
  }

  /** Starts the program, if it does not run. A failure shows at the next write. */
  start(): void {
    this.#child ??= this.#spawn();
  }

  /**
   * Runs the commands. Resolves when the kernel has taken all of them. Rejects if it refused one, or if the program
   * ended or did not answer in time: some commands may then be in force. One write at a time.
   */
  async write(batch: string): Promise<void> {
    if (this.#pending !== null) throw new HostNetError('rejected', 'another write to ip is in progress');
    this.start();
    const child = this.#child;
    const timer = setTimeout(
      () => this.#drop(new HostNetError('rejected', 'ip did not answer in time')),
      this.#patienceMs,
    );
    try {
      await new Promise<void>((resolve, reject) => {
        this.#pending = { resolve, reject };
        child?.stdin?.write(batch + MARKER);
      });
    } finally {
      clearTimeout(timer);
      this.#pending = null;
    }
  }

  /** Ends the program. The next write starts one that knows the current interfaces. */
  renew(): void {
    const child = this.#child;
    this.#child = null;
    child?.stdin?.end();
    this.#pending?.reject(new HostNetError('rejected', 'the write to ip was given up'));
  }

  #spawn(): ChildProcess {
    // Uses a separate session: Ctrl-C in our terminal must not stop a batch in the middle.
    const child = spawn('ip', [`-${this.#family}`, '-o', '-batch', '-'], { env: TOOL_ENVIRONMENT, detached: true });
    [this.#out, this.#err] = ['', ''];
    child.on('error', (error) => this.#ended(child, startError('ip', error)));
    child.on('close', (code) => this.#ended(child, failure('ip', { code: code ?? -1, stdout: '', stderr: this.#err })));
    child.stdout.on('data', (data: Buffer) => this.#heard(child, data.toString()));
    child.stderr.on('data', (data: Buffer) => {
      if (this.#child === child) this.#err = (this.#err + data.toString()).slice(0, 4_000);
    });
    // A program that ends before it has read its input explains this by its exit code.
    child.stdin.on('error', () => {});
    letExit(child);
    return child;
  }

  #heard(child: ChildProcess, text: string): void {
    if (this.#child !== child) return;
    this.#out = (this.#out + text).slice(-4_000);
    if (!MARKER_LINE.test(this.#out)) return;
    this.#out = '';
    this.#pending?.resolve();
  }

  #ended(child: ChildProcess, error: HostNetError): void {
    if (this.#child !== child) return;
    this.#child = null;
    this.#pending?.reject(error);
  }

  #drop(error: HostNetError): void {
    const child = this.#child;
    this.#child = null;
    child?.kill('SIGKILL');
    this.#pending?.reject(error);
  }
}

/** The program does not keep this process alive: it ends when its standard input closes. */
function letExit(child: ChildProcess): void {
  child.unref();
  for (const stream of [child.stdin, child.stdout, child.stderr]) (stream as { unref?(): void } | null)?.unref?.();
}
