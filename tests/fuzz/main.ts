// Feeds every fuzz target, or one, with seeded inputs for some minutes. Run by fuzz.sh.
import { randomInt } from 'node:crypto';
import { writeSync } from 'node:fs';
import process from 'node:process';
import { parseArgs } from 'node:util';
import { stopRequested } from '@sallyport/program';
import { fuzz } from './runner.ts';
import { findTargets } from './targets.ts';

const help = `npm run fuzz -- [--minutes N] [--target NAME] [--seed S] [--inputs N]

  --minutes N    how long, shared among the targets (default 5)
  --target NAME  only this target
  --seed S       where the inputs begin; a failure names the seed that repeats it (default: random)
  --inputs N     at most so many inputs for each target
  --list         names the targets

An input fails when its target throws, takes more than 200 ms of CPU time, or grows the heap by more than 64 MB.`;

async function main(args: string[]): Promise<number> {
  const { values } = parseArgs({
    args,
    options: {
      minutes: { type: 'string', default: '5' },
      target: { type: 'string' },
      seed: { type: 'string' },
      inputs: { type: 'string', default: String(2 ** 31) },
      list: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  const targets = findTargets();
  if (values.help) return say(help);
  if (values.list) return say(targets.map(({ name }) => name).join('\n'));
  const chosen = values.target === undefined ? targets : targets.filter(({ name }) => name === values.target);
  if (chosen.length === 0)
    throw new Error(`there is no target ${values.target}; there are ${targets.map(({ name }) => name).join(', ')}`);
  const seed = values.seed === undefined ? randomInt(2 ** 31) : number('seed', values.seed, -(2 ** 31));
  const milliseconds = (number('minutes', values.minutes, 0) * 60_000) / chosen.length;
  const inputs = Math.floor(number('inputs', values.inputs, 1));
  const interrupted = new AbortController();
  const left = () => 'Nothing is left.\n';
  void stopRequested(process, { closedOutput: 'stop', write: (text) => writeSync(2, text), left }).then(() =>
    interrupted.abort(),
  );
  let failures = 0;
  for (const file of chosen) {
    console.log(`${file.name}: from seed ${seed}`);
    const summary = await fuzz(file, { seed, inputs, milliseconds, signal: interrupted.signal });
    const { failure, slowestMs, largestBytes } = summary;
    const worst = `worst ${slowestMs.toFixed(0)} ms, ${(largestBytes / 1e6).toFixed(1)} MB`;
    console.log(`${file.name}: ${summary.inputs} inputs, ${worst}`);
    if (failure === null) continue;
    failures++;
    console.log(`${file.name}: FAILED: ${failure.message}`);
    console.log(`  to repeat: npm run fuzz -- --target ${file.name} --seed ${failure.seed} --inputs 1`);
  }
  return failures === 0 ? 0 : 1;
}

function number(option: string, text: string, least: number): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value) || value < least)
    throw new Error(`--${option} must be a number of at least ${least}, not ${text}`);
  return value;
}

function say(text: string): 0 {
  console.log(text);
  return 0;
}

await main(process.argv.slice(2)).then(
  (code) => {
    process.exitCode = code;
  },
  (error: Error) => {
    console.error(error.name === 'AbortError' ? 'interrupted' : error.message);
    process.exitCode = 2;
  },
);
