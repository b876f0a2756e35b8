import { parseArgs } from 'node:util';
import { whyNoNamespaces } from '@sallyport/testkit';
import { faultLab, faultRun } from './faults.ts';

const { values } = parseArgs({
  options: { minutes: { type: 'string', default: '10' }, seed: { type: 'string', default: '1' } },
});
const why = whyNoNamespaces();
if (why !== null) {
  console.error(`A fault run ${why}.`);
  process.exit(1);
}
const scenario = await faultLab();
try {
  const durationMs = Number(values.minutes) * 60_000;
  const { story: _, ...figures } = await faultRun(scenario, {
    seed: Number(values.seed),
    durationMs,
    tell: console.log,
  });
  console.log(JSON.stringify(figures));
} finally {
  await scenario.cleanup.run();
}
process.exit(0);
