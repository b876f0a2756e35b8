import { parseArgs } from 'node:util';
import { runStoppable, whyNoNamespaces } from '@sallyport/testkit';
import { faultLab, faultRun } from './faults.ts';

const { values } = parseArgs({
  options: { minutes: { type: 'string', default: '10' }, seed: { type: 'string', default: '1' } },
});
const why = whyNoNamespaces();
if (why !== null) {
  console.error(`A fault run ${why}.`);
  process.exit(1);
}

async function main(): Promise<number> {
  const scenario = await faultLab();
  const { story: _, ...figures } = await faultRun(scenario, {
    seed: Number(values.seed),
    durationMs: Number(values.minutes) * 60_000,
    tell: console.log,
  });
  console.log(JSON.stringify(figures));
  return 0;
}

process.exit(await runStoppable(process, main));
