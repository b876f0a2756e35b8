import { writeSync } from 'node:fs';
import { exitCodeOf, type Program, stopRequested } from '@sallyport/program';
import { cleanUpEverything } from './cleanup.ts';

/**
 * Runs a program that uses the clean-ups of this package, and returns its exit code. A stop request runs the clean-ups
 * first; further signals do not interrupt them.
 */
export async function runStoppable(program: Program, work: () => Promise<number>): Promise<number> {
  const stopped = stopRequested(program, { closedOutput: 'stop', write: (text) => writeSync(2, text), left });
  const interrupted = stopped.then((reason) => {
    program.stderr.write('\nStopping: cleaning up. Press Ctrl-C three times within a second to end at once.\n');
    return exitCodeOf(reason);
  });
  try {
    return await Promise.race([interrupted, work()]);
  } finally {
    await cleanUpEverything();
  }
}

const left = (): string => `Network namespaces that begin with sp- may be left.
To see them: ip netns list. To remove one: ip netns pids NAME | xargs -r kill -9; ip netns del NAME
`;
