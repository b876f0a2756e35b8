import { type ChildProcess, spawn } from 'node:child_process';
import { HostNetError } from '../errors.ts';
import { failure, startError, TOOL_ENVIRONMENT, type Tool } from './run.ts';

/** Milliseconds after which a silent program is killed. */
const PATIENCE_MS = 3_000;
/** Characters of an answer that are kept. */
const MOST_KEPT = 64_000;

/** A program that reads commands from its standard input until that closes. */
export interface LongLivedOptions {
  readonly tool: Tool;
  readonly args: readonly string[];
  /** The command after each question, with its line end. Its output shows that everything before it was carried out. */
  readonly marker: string;
  /** Matches the end of the output once it has that of the marker; the rest before it is the answer. */
  readonly answered: RegExp;
  readonly patienceMs?: number;
}

/** A question that waits for its answer. */
interface Pending {
  resolve(answer: string): void;
  reject(error: unknown): void;
}

/**
 * Gives commands to one long-lived program, so that a change starts no program. A program that ended is started again
 * by the next question. It does not keep this process alive, and ends with it.
 */
export class LongLived {
  readonly #options: LongLivedOptions;
  #child: ChildProcess | null = null;
  #pending: Pending | null = null;
  #output = '';

  constructor(options: LongLivedOptions) {
    this.#options = options;
  }

  /** Starts the program, if it does not run. Returns its process id, if known. A failure shows at the next question. */
  start(): number | undefined {
    this.#child ??= this.#spawn();
    return this.#child.pid;
  }

  /**
   * Gives complete lines to the program. Resolves with its output, standard error included, when it has carried out
   * all of them. Rejects if the program ended or did not answer in time: some lines may then have been carried out. One
   * question at a time.
   */
  async ask(lines: string): Promise<string> {
    const { tool, marker, patienceMs = PATIENCE_MS } = this.#options;
    if (this.#pending !== null) throw new HostNetError('rejected', `another change by ${tool} is in progress`);
    this.start();
    const late = new HostNetError('rejected', `${tool} did not answer in time`);
    const timer = setTimeout(() => this.#drop(late), patienceMs);
    try {
      return await new Promise<string>((resolve, reject) => {
        this.#pending = { resolve, reject };
        this.#child?.stdin?.write(lines + marker);
      });
    } finally {
      clearTimeout(timer);
      this.#pending = null;
    }
  }

  /** Ends the program. The next question starts one without memories. */
  renew(): void {
    const child = this.#child;
    this.#child = null;
    child?.stdin?.end();
    this.#pending?.reject(new HostNetError('rejected', `the change by ${this.#options.tool} was given up`));
  }

  #spawn(): ChildProcess {
    const { tool, args } = this.#options;
    // The shell joins both outputs, so that an error stands before the marker. A separate session: Ctrl-C in our
    // terminal must not stop a change in the middle.
    const child = spawn('/bin/sh', ['-c', 'exec "$0" "$@" 2>&1', tool, ...args], {
      env: { ...TOOL_ENVIRONMENT, HOME: NO_HISTORY },
      detached: true,
    });
    this.#output = '';
    child.on('error', (error) => this.#ended(child, startError(tool, error)));
    child.on('close', (code) => this.#ended(child, this.#failure(code ?? -1)));
    child.stdout.on('data', (data: Buffer) => this.#heard(child, data.toString()));
    // A program that ends before it has read its input explains this by its exit code.
    child.stdin.on('error', () => {});
    child.unref();
    for (const stream of [child.stdin, child.stdout, child.stderr]) (stream as { unref?(): void }).unref?.();
    return child;
  }

  #failure(code: number): HostNetError {
    const { tool } = this.#options;
    if (code === NOT_FOUND) return startError(tool, Object.assign(new Error('not found'), { code: 'ENOENT' }));
    return failure(tool, { code, stdout: '', stderr: this.#output });
  }

  #heard(child: ChildProcess, text: string): void {
    if (this.#child !== child) return;
    this.#output = (this.#output + text).slice(-MOST_KEPT);
    const { answered } = this.#options;
    if (!answered.test(this.#output)) return;
    const answer = this.#output.replace(answered, '');
    this.#output = '';
    this.#pending?.resolve(answer);
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

/** nft would keep its commands in a file of the home directory. */
const NO_HISTORY = '/dev/null';
/** Exit code of a shell that does not find a program. */
const NOT_FOUND = 127;
