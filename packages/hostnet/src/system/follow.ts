import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { TOOL_ENVIRONMENT, type Tool } from './run.ts';

/** The program to follow, and the callbacks. */
export interface FollowOptions {
  readonly tool: Tool;
  readonly args: readonly string[];
  readonly line: (text: string) => void;
  /** Called when the program runs again after it ended, so lines may be missing. */
  readonly restarted: () => void;
  /** Called when another callback threw. The program is started again, because its output may be lost. */
  readonly failed: (error: unknown) => void;
}

const RESTART_DELAY_MS = 1000;

/** Follows the output of a program, and restarts the program whenever it ends. */
export class Follower {
  readonly #options: FollowOptions;
  #child: ChildProcess | null = null;
  #timer: NodeJS.Timeout | null = null;
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
    child.kill();
    await ended;
  }

  #start(): void {
    const { tool, args, line } = this.#options;
    const child = spawn(tool, args, { env: TOOL_ENVIRONMENT, stdio: ['ignore', 'pipe', 'ignore'] });
    this.#child = child;
    createInterface({ input: child.stdout }).on('line', (text) => this.#guard(() => line(text)));
    child.on('error', () => this.#restart());
    child.on('close', () => this.#restart());
  }

  #guard(run: () => void): void {
    try {
      run();
    } catch (error) {
      this.#options.failed(error);
      this.#child?.kill();
    }
  }

  #restart(): void {
    if (this.#closed || this.#timer) return;
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.#start();
      this.#guard(() => this.#options.restarted());
    }, RESTART_DELAY_MS);
    this.#timer.unref();
  }
}
