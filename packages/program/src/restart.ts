import { existsSync, fstatSync, openSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { root } from './place.ts';

/** Part of `process` that waits for a request to start again. */
export interface Restartable {
  on(signal: 'SIGUSR2', listener: () => void): unknown;
}

/** Resolves when `sally upgrade` asks this program to start again (SIGUSR2), perhaps with another version. */
export const restartRequested = (program: Restartable): Promise<'restart'> =>
  new Promise((resolve) => {
    program.on('SIGUSR2', () => resolve('restart'));
  });

/**
 * Replaces this process by `sally ROLE ARGS` of the version that is current now. The process id stays, so that a service
 * manager notices nothing. Throws when that program cannot be started.
 */
export function startAgain(role: 'gateway' | 'client', args: readonly string[], environment: NodeJS.ProcessEnv): void {
  const program = launcher();
  const env = { ...environment };
  // The cache of compiled code belongs to the old version.
  if (env.NODE_COMPILE_CACHE?.startsWith(root) === true) delete env.NODE_COMPILE_CACHE;
  fillStreams();
  if (process.execve === undefined) throw new Error('this Node.js cannot replace a process');
  process.execve(program, [program, role, ...withoutInput(args)], env);
}

/** Standard input was read already: an enrolled agent needs no key from it. */
const withoutInput = (args: readonly string[]): string[] =>
  args.filter((word, at) => !/-file=-$/.test(word) && word !== '-' && !(/-file$/.test(word) && args[at + 1] === '-'));

/** A standard stream that was closed leaves a gap. The lowest free number is used first, so each gap is filled in order. */
function fillStreams(): void {
  for (const descriptor of [0, 1, 2]) {
    try {
      fstatSync(descriptor);
    } catch {
      openSync('/dev/null', descriptor === 0 ? 'r' : 'w');
    }
  }
}

/** `bin/sally` of the current version, which also knows of a trial; else the one of this program. */
function launcher(): string {
  const current = join(dirname(dirname(root)), 'current/bin/sally');
  return basename(dirname(root)) === 'versions' && existsSync(current) ? current : join(root, 'bin/sally');
}
