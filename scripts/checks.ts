import { spawnSync } from 'node:child_process';

/** The outcome of one check of the whole source tree. */
export interface Check {
  name: string;
  passed: boolean;
  seconds: number;
}

/** Checks types, then lint and format. What is wrong goes to the terminal. */
export function checkSources(): Check[] {
  return [
    check('type check', 'tsc', ['-b', '.', 'scripts']),
    check('lint', 'biome', ['check', '--error-on-warnings', '--diagnostic-level=warn', '.']),
  ];
}

/** What failed, as a line for the end of the output; empty when everything passed. */
export function brokenChecks(checks: readonly Check[]): string {
  const broken = checks.filter(({ passed }) => !passed).map(({ name }) => name);
  return broken.length === 0 ? '' : `not clean: ${broken.join(' and ')}, see above`;
}

/** How long each check took, for a summary line. */
export function timesOf(checks: readonly Check[]): string {
  return checks.map(({ name, seconds }) => `${name} ${seconds.toFixed(1)} s, `).join('');
}

function check(name: string, command: string, args: string[]): Check {
  const started = performance.now();
  console.log(`${name}: ${command} ${args.join(' ')}`);
  const { status, error } = spawnSync(command, args, { stdio: 'inherit' });
  if (error) console.error(error.message);
  return { name, passed: status === 0, seconds: (performance.now() - started) / 1000 };
}
