import { mkdir, writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { runStoppable } from '@sallyport/testkit';
import { creating, listing, starting, users } from './controller.ts';
import { fleet } from './fleet/figures.ts';
import { forwarding } from './forward.ts';
import { type AmountResult, type PairedResult, row } from './harness.ts';
import { pages } from './list.ts';
import { liveConsoles } from './live.ts';
import { naming } from './names.ts';
import { compiling, deciding, membership, stateSize } from './policy.ts';
import { onPostgres } from './postgres.ts';
import { onReplicas } from './replicas.ts';

const suites: Record<string, (rounds: number) => Promise<(PairedResult | AmountResult)[]>> = {
  list: async (rounds) => [await listing(rounds)],
  create: async (rounds) => [await creating(rounds)],
  postgres: (rounds) => onPostgres(rounds),
  replicas: (rounds) => onReplicas(rounds),
  users: async (rounds) => [await users(rounds)],
  live: (rounds) => liveConsoles(rounds),
  pages: async (rounds) => [await pages(rounds)],
  start: (rounds) => starting(rounds),
  forward: (rounds) => forwarding(rounds),
  names: (rounds) => naming(rounds),
  decide: (rounds) => deciding(rounds),
  compile: (rounds) => compiling(rounds),
  membership: (rounds) => membership(rounds),
  'state-size': () => stateSize(),
  fleet: (rounds) => fleet(rounds),
};

const help = `npm run bench [-- SUITE…] [--rounds N]

Suites: ${Object.keys(suites).join(', ')}; by default all. Each figure is the median of N rounds (7 by default), in which
subject and baseline alternate. Prints a Markdown table and writes bench/results/latest.json. Exit code 1 if a goal is missed.
\`forward\` and \`names\` need root and iperf3. \`postgres\` and \`replicas\` need PostgreSQL, and start servers of their own. \`fleet\`
needs 20,000 file descriptors and some minutes.
`;

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { rounds: { type: 'string', default: '7' }, help: { type: 'boolean' } },
  });
  const unknown = positionals.filter((name) => suites[name] === undefined);
  const rounds = Number(values.rounds);
  if (values.help || unknown.length > 0 || !Number.isInteger(rounds) || rounds < 1) {
    if (unknown.length > 0) console.error(`unknown suite: ${unknown.join(', ')}`);
    console.log(help);
    return values.help ? 0 : 2;
  }
  const results: (PairedResult | AmountResult)[] = [];
  console.log('| figure | ours | baseline | unit | ratio | to reach |\n| --- | ---: | ---: | --- | ---: | --- |');
  for (const name of positionals.length > 0 ? positionals : Object.keys(suites)) {
    for (const result of (await suites[name]?.(rounds)) ?? []) {
      results.push(result);
      console.log(row(result));
    }
  }
  await mkdir(new URL('./results/', import.meta.url), { recursive: true });
  await writeFile(new URL('./results/latest.json', import.meta.url), `${JSON.stringify(results, null, 2)}\n`);
  return results.every((result) => result.reached) ? 0 : 1;
}

// Interrupted work may still wait for something; exit without it.
process.exit(await runStoppable(process, main));
