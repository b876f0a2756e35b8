// Type check, lint and every test; or, with files or folders as arguments, only those tests.
// Run by test.sh. Exit code 0 when all of it passes. A file that fails is run once more, alone. When it then passes, it is
// reported and counted as unsteady, and the exit code stays 0, also on a build server (CI=true): see CONTRIBUTING.md.
import { writeSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { stopRequested } from '@sallyport/program';
import { brokenChecks, type Check, checkSources, timesOf } from './checks.ts';
import { endLeftovers, leavesNothing } from './leftovers.ts';
import { selectTestFiles } from './test-files.ts';
import { longestFirst } from './test-order.ts';
import { runPasses, type TestPass } from './test-run.ts';

const MINUTE = 60_000;

async function main(paths: string[]): Promise<void> {
  const started = performance.now();
  // A developer's own settings must not change what the tests see.
  for (const name of Object.keys(process.env)) if (name.startsWith('SALLYPORT_')) delete process.env[name];
  // Hundreds of processes load the same modules: a fifth of their work is to compile them.
  process.env.NODE_COMPILE_CACHE ??= join(import.meta.dirname, '../node_modules/.cache/sallyport');

  const files = selectTestFiles('.', paths);
  const checks: Check[] = paths.length === 0 ? checkSources() : [];
  const interrupted = new AbortController();
  void stopRequested(process, { closedOutput: 'stop', write: (text) => writeSync(2, text), left }).then(() => {
    process.stderr.write('\nStopping the tests. Press Ctrl-C three times within a second to end at once.\n');
    interrupted.abort();
  });
  const { passed, failed, skipped, unsteady, times } = await runPasses(passes(files), interrupted.signal);
  if (interrupted.signal.aborted) endLeftovers();

  const broken = brokenChecks(checks);
  console.log(`\n${timesOf(checks)}in all ${((performance.now() - started) / 1000).toFixed(1)} s`);
  if (paths.length === 0) console.log(longest(times));
  if (broken !== '') console.log(broken);
  if (interrupted.signal.aborted) console.log('interrupted');
  for (const { file, failures } of unsteady)
    for (const failure of failures) console.log(`unsteady: ${file} failed at first, then passed alone: ${failure}`);
  console.log(`${passed} passed, ${failed} failed, ${skipped} skipped, unsteady ${unsteady.length}`);
  process.exitCode = failed > 0 || broken !== '' || interrupted.signal.aborted ? 1 : 0;
}

/** The files that a shorter run would begin with. */
function longest(times: readonly [string, number][]): string {
  return times
    .slice(0, 12)
    .map(([file, seconds]) => `${seconds.toFixed(0).padStart(5)} s  ${file}`)
    .join('\n');
}

function left(): string {
  endLeftovers();
  if (leavesNothing()) return 'Nothing is left: the processes of the tests have been killed.\n';
  return 'Processes and network namespaces of tests may be left. To see them: ip netns list\n';
}

/**
 * End-to-end tests start whole topologies and wait for time-outs more than they work: they come last, three files at a
 * time. Beside the other tests their hosts are too slow for the time-outs of real programs.
 */
function passes(files: string[]): TestPass[] {
  const isEndToEnd = (file: string) => file.startsWith('tests/e2e/');
  const lanes = Math.min(availableParallelism() + 1, 4);
  const ordered = longestFirst(files);
  return [
    {
      files: ordered.filter((file) => !isEndToEnd(file)),
      share: lanes,
      alone: lanes,
      timeout: 6 * MINUTE,
    },
    { files: ordered.filter(isEndToEnd), share: 0, alone: 3, timeout: 10 * MINUTE },
  ];
}

await main(process.argv.slice(2)).catch((error: Error) => {
  console.error(error.message);
  process.exitCode = 2;
});
