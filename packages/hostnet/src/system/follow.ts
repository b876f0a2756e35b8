import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { TOOL_ENVIRONMENT, type Tool } from './run.ts';

/** The program to follow, and the callbacks. */
export interface FollowOptions {
  readonly tool: Tool;
  readonly args: readonly string[];
  readonly line: (text: string) => void;
  /** Called when lines may be missing: the program lost messages of the kernel, or runs again after it ended. */
  readonly restarted: () => void;
  /** Called when another callback threw. The program is started again, because its output may be lost. */
  readonly failed: (error: unknown) => void;
  /**
   * Called with true when the kernel reports every further change to the program, and with false when that ends. It is
   * not called where the kernel does not tell.
   */
  readonly listening?: (on: boolean) => void;
}

const RESTART_DELAY_MS = 1000;
const LISTEN_LOOK_MS = 10;
const LISTEN_LOOKS = 500;

/** A line by which `nft monitor` tells that the kernel's buffer for it was full. */
const LOST = /^# ERROR: We lost some netlink events/;

/** Follows the output of a program, and restarts the program whenever it ends. */
export class Follower {
  readonly #options: FollowOptions;
  #child: ChildProcess | null = null;
  #timer: NodeJS.Timeout | null = null;
  #listening = false;
  #closed = false;

  constructor(options: FollowOptions) {
    this.#options = options;
    this.#start();
  }

  async close(): Promise<void> {
    this.#closed = true;
    if (this.#timer) clearTimeout(this.#timer);
    const child = this.#child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once('close', resolve));
    child.kill('SIGKILL');
    await ended;
  }

  /** Ends a program that does not answer; it then runs again as after any end. */
  restart(): void {
    this.#child?.kill('SIGKILL');
  }

  #start(): void {
    const { tool, args, line } = this.#options;
    const child = spawn(tool, args, { env: TOOL_ENVIRONMENT, stdio: ['ignore', 'pipe', 'pipe'] });
    this.#child = child;
    createInterface({ input: child.stdout }).on('line', (text) =>
      this.#guard(() => (LOST.test(text) ? this.#options.restarted() : line(text))),
    );
    // `ip monitor` tells lost messages as errors, and goes on.
    child.stderr.on('data', () => this.#guard(() => this.#options.restarted()));
    child.on('error', () => this.#restart());
    child.on('close', () => this.#restart());
    if (this.#options.listening) void this.#awaitListening(child, LISTEN_LOOKS);
  }

  /** Looks for the program's socket in the kernel's list until it has subscribed. */
  async #awaitListening(child: ChildProcess, looks: number): Promise<void> {
    if (this.#closed || this.#child !== child || this.#timer !== null || looks === 0) return;
    if (await isSubscribed(child.pid)) {
      if (this.#closed || this.#child !== child || this.#timer !== null) return;
      this.#listening = true;
      this.#guard(() => this.#options.listening?.(true));
      return;
    }
    setTimeout(() => void this.#awaitListening(child, looks - 1), LISTEN_LOOK_MS).unref();
  }

  #guard(run: () => void): void {
    if (this.#closed) return;
    try {
      run();
    } catch (error) {
      this.#options.failed(error);
      this.#child?.kill();
    }
  }

  #restart(): void {
    if (this.#closed || this.#timer) return;
    if (this.#listening) this.#guard(() => this.#options.listening?.(false));
    this.#listening = false;
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.#start();
      this.#guard(() => this.#options.restarted());
    }, RESTART_DELAY_MS);
    this.#timer.unref();
  }
}

/** Returns whether a netlink socket of the process is a member of any group. */
async function isSubscribed(pid: number | undefined): Promise<boolean> {
  const sockets = await readFile('/proc/net/netlink', 'utf8').catch(() => '');
  return sockets.split('\n').some((line) => {
    const [, , port, groups = ''] = line.trim().split(/\s+/);
    return port === String(pid) && /[1-9a-f]/.test(groups);
  });
}
