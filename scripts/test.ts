// Type check, lint and every test; or, with files or folders as arguments, only those tests.
// Run by test.sh. Exit code 0 when all of it passes.
import { spawnSync } from 'node:child_process';
import { writeSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import process from 'node:process';
import { stopRequested } from '@sallyport/signals';
import { endLeftovers, leavesNothing } from './leftovers.ts';
import { selectTestFiles } from './test-files.ts';
import { runPasses, type TestPass } from './test-run.ts';

const MINUTE = 60_000;

interface Step {
  name: string;
  passed: boolean;
  seconds: number;
}

async function main(paths: string[]): Promise<void> {
  const started = performance.now();
  // A developer's own settings must not change what the tests see.
  for (const name of Object.keys(process.env)) if (name.startsWith('SALLYPORT_')) delete process.env[name];

  const files = selectTestFiles('.', paths);
  const steps: Step[] = [];
  if (paths.length === 0) {
    steps.push(check('type check', 'tsc', ['-b', '.', 'scripts']));
    steps.push(check('lint', 'biome', ['check', '--error-on-warnings', '--diagnostic-level=warn', '.']));
  }
  const interrupted = new AbortController();
  stopRequested(process, { closedOutput: 'stop', write: (text) => writeSync(2, text), left }).then(() => {
    process.stderr.write('\nStopping the tests. Press Ctrl-C three times within a second to end at once.\n');
    interrupted.abort();
  });
  const { passed, failed, skipped } = await runPasses(passes(files), interrupted.signal);
  if (interrupted.signal.aborted) endLeftovers();

  const broken = steps.filter((step) => !step.passed).map((step) => step.name);
  const times = steps.map((step) => `${step.name} ${step.seconds.toFixed(1)} s, `).join('');
  console.log(`\n${times}in all ${((performance.now() - started) / 1000).toFixed(1)} s`);
  if (broken.length > 0) console.log(`not clean: ${broken.join(' and ')}, see above`);
  if (interrupted.signal.aborted) console.log('interrupted');
  console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
  process.exitCode = failed > 0 || broken.length > 0 || interrupted.signal.aborted ? 1 : 0;
}

function left(): string {
  endLeftovers();
  if (leavesNothing()) return 'Nothing is left: the processes of the tests have been killed.\n';
  return 'Processes and network namespaces of tests may be left. To see them: ip netns list\n';
}

/** End-to-end tests start whole topologies and wait for time-outs more than they work: they go last, two files at a time. */
function passes(files: string[]): TestPass[] {
  const isEndToEnd = (file: string) => file.startsWith('tests/e2e/');
  return [
    {
      files: files.filter((file) => !isEndToEnd(file)),
      concurrency: Math.min(availableParallelism(), 4),
      timeout: 3 * MINUTE,
    },
    { files: files.filter(isEndToEnd), concurrency: 2, timeout: 10 * MINUTE },
  ];
}

function check(name: string, command: string, args: string[]): Step {
  const started = performance.now();
  console.log(`${name}: ${command} ${args.join(' ')}`);
  const { status, error } = spawnSync(command, args, { stdio: 'inherit' });
  if (error) console.error(error.message);
  return { name, passed: status === 0, seconds: (performance.now() - started) / 1000 };
}

await main(process.argv.slice(2)).catch((error: Error) => {
  console.error(error.message);
  process.exitCode = 2;
});
