export { returnMemory, returnMemoryAfterStart } from './memory.ts';
export { within } from './within.ts';

/** Cause of a request to stop a program. `EPIPE`: its standard output is closed. */
export type StopReason = 'SIGINT' | 'SIGTERM' | 'SIGHUP' | 'EPIPE';

/** Part of `process` that this module uses. Only a `main.ts` passes it in. */
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
  /** Called when the program ends before its clean-up. Returns a text that says what is left and how to remove it. */
  readonly left: () => string;
  /** Reaction to a closed standard output: stop, or continue without output. */
  readonly closedOutput: 'stop' | 'continue';
  /** Writes to standard error before the program ends. */
  readonly write: (text: string) => void;
}

/**
 * Resolves at the first request to stop. Further signals change nothing: under npm one Ctrl-C arrives twice, from the
 * terminal and from npm. Signals within 50 ms therefore count as one. The third SIGINT or SIGTERM within a second ends the
 * program at once, after it writes the text of `left`. SIGHUP never does, because a terminal that closes sends several.
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
    // Ignored: a closed pipe, a closed terminal or a full disk takes no output.
    program.stdout.on('error', () => {
      if (options.closedOutput === 'stop') resolve('EPIPE');
    });
    program.stderr.on('error', () => undefined);
  });
}

const hurrySignals = 3;
const hurryMs = 1000;
const sameMs = 50;

/** Returns the exit code of a program that was asked to stop, by the convention of shells. */
export function exitCodeOf(reason: StopReason): number {
  return 128 + { SIGHUP: 1, SIGINT: 2, EPIPE: 13, SIGTERM: 15 }[reason];
}

function endAtOnce(program: Program, { left, write }: StopOptions, signal: StopReason): void {
  try {
    write(`\nEnded at once, before everything was cleaned up.\n${left()}`);
  } catch {
    // Ignored: the terminal is closed, too.
  }
  program.exit(exitCodeOf(signal));
}
