import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';

const main = fileURLToPath(new URL('../main.ts', import.meta.url));

/** The real program under test, on a port of its own, without a local gateway. */
export class ControllerProcess {
  readonly #child: ChildProcess;
  stdout = '';
  stderr = '';

  private constructor(child: ChildProcess) {
    this.#child = child;
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text;
    });
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text;
    });
  }

  /** Resolves once it has greeted, or has ended. `prefix`: a program that runs it, with its arguments. `file`: another version. */
  static async start(
    t: Pick<TestContext, 'after'>,
    dataDir: string,
    args: readonly string[] = [],
    env: Record<string, string> = {},
    prefix: readonly string[] = [],
    file: string = main,
  ): Promise<ControllerProcess> {
    const local = [
      '--listen',
      '127.0.0.1:0',
      '--beacon-listen',
      '127.0.0.1:0',
      '--metrics-listen',
      'off',
      '--local-gateway',
      'off',
    ];
    const defaults = [...local, '--data-dir', dataDir];
    const [program = '', ...rest] = [...prefix, process.execPath, file, ...defaults, ...args];
    const child = spawn(program, rest, {
      env: { PATH: process.env.PATH ?? '', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const started = new ControllerProcess(child);
    t.after(() => started.kill('SIGKILL'));
    await new Promise<void>((resolve) => {
      child.once('close', () => resolve());
      child.stdout?.on('data', () => {
        if (started.stdout.includes('sally status')) resolve();
      });
    });
    return started;
  }

  /** Address that it greeted with. */
  get url(): string {
    const url = /Address +(https?:\S+)/.exec(this.stdout)?.[1];
    if (url === undefined) throw new Error(`it did not start:\n${this.stdout}\n${this.stderr}`);
    return url;
  }

  /** API key that it has printed, or null. */
  get printedKey(): string | null {
    return /API key +(sak_\S+)/.exec(this.stdout)?.[1] ?? null;
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Whether it has ended, by itself or by a signal. */
  get ended(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  get exitCode(): number | null {
    return this.#child.exitCode;
  }

  /** As when the reader of both outputs has ended. */
  closeOutputs(): void {
    this.#child.stdout?.destroy();
    this.#child.stderr?.destroy();
  }

  /** Sends the signal and waits for the end. */
  async kill(signal: NodeJS.Signals): Promise<number | null> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return this.#child.exitCode;
    const gone = new Promise((resolve) => this.#child.once('close', resolve));
    this.#child.kill(signal);
    await gone;
    return this.#child.exitCode;
  }
}

export function testFolder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'sallyport-ctl-'));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}
