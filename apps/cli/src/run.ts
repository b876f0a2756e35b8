import { CommanderError } from 'commander';
import { exitCodes, Failure, Finished } from './failure.ts';
import { loadFamilies } from './families.ts';
import { createProgram } from './program.ts';
import type { GlobalFlags, Io } from './session.ts';
import { cleanLines, jsonLine, safeJson } from './text.ts';
import { usageFailure } from './usage-errors.ts';

/** Runs one command line (without the program's own name). Returns the exit code and never rejects. */
export async function run(argv: readonly string[], io: Io): Promise<number> {
  if (argv[0] === '__complete') return (await import('./complete.ts')).complete(argv.slice(1), io);
  const program = createProgram(io, await loadFamilies(argv.includes('completion') ? undefined : argv));
  try {
    await program.parseAsync(argv, { from: 'user' });
    return exitCodes.ok;
  } catch (error) {
    const failure = error instanceof CommanderError ? usageFailure(error, program, argv) : error;
    return report(failure, io, program.opts<GlobalFlags>().json === true || argv.includes('--json'));
  }
}

/** Prints the failure for people or, with --json, for programs. Returns the exit code. */
function report(error: unknown, io: Io, json: boolean): number {
  if (error instanceof Finished) return error.exitCode;
  const failure = error instanceof Failure ? error : internal(error, io);
  if (json) {
    io.stderr.write(
      failure.problemText === undefined ? jsonLine(ownProblem(failure)) : `${safeJson(failure.problemText)}\n`,
    );
  } else {
    io.stderr.write(
      cleanLines(`sally: ${failure.message}\n${failure.hint === undefined ? '' : `Hint: ${failure.hint}\n`}`),
    );
  }
  return failure.exitCode;
}

/** Returns a failure of the CLI in the form of a problem document. */
function ownProblem({ exitCode, message, hint }: Failure): object {
  const [name = 'failed'] = Object.entries(exitCodes).find(([, code]) => code === exitCode) ?? [];
  const code = name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  return { code, title: message, ...(hint === undefined ? {} : { detail: hint }), exitCode };
}

function internal(error: unknown, io: Io): Failure {
  const stack = error instanceof Error && io.env.SALLYPORT_DEBUG ? `\n${error.stack}` : '';
  const said = error instanceof Error ? error.message : String(error);
  return new Failure(exitCodes.failed, `This is a bug in sally: ${said}${stack}`);
}
