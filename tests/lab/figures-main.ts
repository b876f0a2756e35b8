import { parseArgs } from 'node:util';
import { runStoppable, whyNoNamespaces } from '@sallyport/testkit';
import { changes } from './change-figures.ts';
import { direct, type Figure, failover, percentile, relay, start } from './figures.ts';

const suites: Record<string, (rounds: number, tell: (line: string) => void) => Promise<Figure[]>> = {
  changes,
  failover,
  start,
  direct,
  relay,
};

const help = `node tests/lab/figures-main.ts [SUITE…] [--rounds N]

Measures changes and paths in a lab: ${Object.keys(suites).join(', ')}; all when none is named. Needs Linux, root and /dev/net/tun; relay needs iperf3.
`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { rounds: { type: 'string', default: '10' }, help: { type: 'boolean' } },
});
const why = whyNoNamespaces();
const unknown = positionals.filter((name) => suites[name] === undefined);
if (values.help || unknown.length > 0 || why !== null) {
  console.error(why === null ? help : `Measuring ${why}.`);
  process.exit(values.help ? 0 : 2);
}

async function main(): Promise<number> {
  const rows: string[] = [];
  for (const name of positionals.length > 0 ? positionals : Object.keys(suites)) {
    for (const figure of (await suites[name]?.(Number(values.rounds), (line) => console.error(line))) ?? []) {
      const shown = [0.5, 0.95, 1].map((share) =>
        percentile(figure.values, share).toFixed(figure.unit === 'ms' ? 0 : 2),
      );
      rows.push(`| ${figure.name} | ${figure.values.length} | ${shown.join(' | ')} | ${figure.unit} |`);
    }
  }
  console.log('| figure | rounds | median | p95 | worst | unit |\n| --- | ---: | ---: | ---: | ---: | --- |');
  console.log(rows.join('\n'));
  return 0;
}

process.exit(await runStoppable(process, main));
