export { within } from './within.ts';

/** What asked a program to end. `EPIPE`: its standard output cannot be written any more. */
export type StopReason = 'SIGINT' | 'SIGTERM' | 'SIGHUP' | 'EPIPE';

/** What is needed of `process`. Only a `main.ts` has it to give. */
export interface Program {
  on(signal: 'SIGINT' | 'SIGTERM' | 'SIGHUP', listener: () => void): unknown;
  exit(code: number): unknown;
  readonly stdout: Output;
  readonly stderr: Output;
}

interface Output {
  write(text: string): unknown;
  on(event: 'error', listener: () => void): unknown;
}

/** How a program reacts to signals while it ends. */
export interface StopOptions {
  /** Called when the program is ended before it has cleaned up: what is left, and how to remove it. */
  readonly left: () => string;
  /** When standard output cannot be written any more: ask to stop, or continue without output. */
  readonly closedOutput: 'stop' | 'continue';
  /** Writes to standard error before the program ends. */
  readonly write: (text: string) => void;
}

/**
 * Resolves at the first request to stop. Further signals change nothing: under npm one Ctrl-C arrives twice, from the
 * terminal and from npm. Signals within 50 ms therefore count as one. The third SIGINT or SIGTERM within a second ends the
 * program at once, with `left` as its last words. SIGHUP never does: a terminal that closes sends several, and nothing can
 * be read there any more.
 */
export function stopRequested(program: Program, options: StopOptions): Promise<StopReason> {
  return new Promise((resolve) => {
    let recent: number[] = [];
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      program.on(signal, () => {
        const now = performance.now();
        if (now - (recent.at(-1) ?? Number.NEGATIVE_INFINITY) >= sameMs) recent.push(now);
        recent = recent.filter((at) => now - at < hurryMs);
        if (recent.length >= hurrySignals) endAtOnce(program, options, signal);
        resolve(signal);
      });
    }
    program.on('SIGHUP', () => resolve('SIGHUP'));
    // A closed pipe, a terminal that is gone, a full disk: nothing can be said there any more.
    program.stdout.on('error', () => {
      if (options.closedOutput === 'stop') resolve('EPIPE');
    });
    program.stderr.on('error', () => undefined);
  });
}

const hurrySignals = 3;
const hurryMs = 1000;
const sameMs = 50;

/** Exit code of a program that was asked to stop, as shells count it. */
export function exitCodeOf(reason: StopReason): number {
  return 128 + { SIGHUP: 1, SIGINT: 2, EPIPE: 13, SIGTERM: 15 }[reason];
}

function endAtOnce(program: Program, { left, write }: StopOptions, signal: StopReason): void {
  try {
    write(`\nEnded at once, before everything was cleaned up.\n${left()}`);
  } catch {
    // Nothing can be said any more: the terminal is gone, too.
  }
  program.exit(exitCodeOf(signal));
}
