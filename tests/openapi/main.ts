// Starts a controller of its own on loopback and lets the tools judge its document and its answers. Run by
// scripts/test-openapi.sh, which has installed them.
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { stopRequested } from '@sallyport/program';
import { ControllerProcess } from '../../apps/controller/src/testing/controller-process.ts';

const tools = fileURLToPath(new URL('../../.cache/openapi/', import.meta.url));
const settings = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

const help = `npm run test:openapi -- [--cases N] [--phases LIST]

  --cases N      most cases of each operation and phase (default 25)
  --phases LIST  of examples, coverage, fuzzing, stateful (default: coverage,fuzzing)`;

interface Options {
  readonly cases: string;
  readonly phases: string;
}

async function main(args: string[]): Promise<number> {
  const { values } = parseArgs({
    args,
    options: {
      cases: { type: 'string', default: '25' },
      phases: { type: 'string', default: 'coverage,fuzzing' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) {
    console.log(help);
    return 0;
  }
  const ends: (() => unknown)[] = [];
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-openapi-'));
  ends.push(() => rmSync(folder, { recursive: true, force: true }));
  const interrupted = new AbortController();
  const left = () => `A controller on loopback may still run, with its files in ${folder}\n`;
  void stopRequested(process, { closedOutput: 'stop', write: (text) => writeSync(2, text), left }).then(() =>
    interrupted.abort(),
  );
  try {
    return await judge(folder, values, (end) => ends.push(end as () => unknown), interrupted.signal);
  } finally {
    for (const end of ends.reverse()) await end();
  }
}

type After = Parameters<typeof ControllerProcess.start>[0]['after'];

async function judge(folder: string, options: Options, after: After, signal: AbortSignal): Promise<number> {
  // The fuzzer writes faster than a tenant is allowed to.
  const rate = { SALLYPORT_TENANT_WRITES_PER_SECOND: '100000' };
  const controller = await ControllerProcess.start({ after }, join(folder, 'data'), [], rate);
  const { url, printedKey } = controller;
  if (printedKey === null) throw new Error(`the controller has printed no key:\n${controller.stdout}`);
  const document = join(folder, 'openapi.json');
  writeFileSync(document, await (await fetch(`${url}/openapi.json`)).text());

  const failed: string[] = [];
  const run = async (name: string, program: string, args: string[], env: Record<string, string> = {}) => {
    console.log(`\n${name}`);
    if ((await ended(program, args, folder, env, signal)) !== 0) failed.push(name);
  };
  const npm = join(tools, 'npm/node_modules/.bin');
  await run('Redocly', join(npm, 'redocly'), ['lint', '--config', settings('redocly.yaml'), document], quiet);
  const strict = ['--fail-severity', 'hint'];
  await run('Spectral', join(npm, 'spectral'), ['lint', ...strict, '--ruleset', settings('spectral.yaml'), document]);
  const fuzzer = join(tools, 'python/bin/schemathesis');
  if (existsSync(join(tools, 'python/installed')))
    await run('Schemathesis', fuzzer, fuzzerArguments(document, url, options), {
      SALLYPORT_API_KEY: printedKey,
      SCHEMATHESIS_HOOKS: settings('hooks.py'),
    });
  else console.log('\nSchemathesis is left out: it is not installed, see above');
  if (controller.exitCode !== null) failed.push('the controller, which has ended');
  console.log(failed.length === 0 ? '\nno report' : `\nreports of ${failed.join(', ')}`);
  return failed.length === 0 ? 0 : 1;
}

const quiet = { REDOCLY_TELEMETRY: 'off', REDOCLY_SUPPRESS_UPDATE_NOTICE: 'true' };

const fuzzerArguments = (document: string, url: string, { cases, phases }: Options): string[] => [
  ...['--config-file', settings('schemathesis.toml'), 'run', document, '--url', url],
  ...['--max-examples', cases, '--phases', phases, '--no-color'],
];

/** Returns the exit code; 1 after a stop by a signal. Output is inherited; files go to the folder. */
function ended(
  program: string,
  args: string[],
  cwd: string,
  env: Record<string, string>,
  signal: AbortSignal,
): Promise<number> {
  const child = spawn(program, args, {
    cwd,
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, ...env },
    signal,
  });
  return new Promise((resolve) => {
    child.once('error', (error) => {
      console.error(error.message);
      resolve(1);
    });
    child.once('close', (code) => resolve(code ?? 1));
  });
}

process.exitCode = await main(process.argv.slice(2));
