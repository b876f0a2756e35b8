import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { type Circumstances, type Outcome, sally } from '../../apps/cli/src/testing/run.ts';
import { ControllerProcess, testFolder } from '../../apps/controller/src/testing/controller-process.ts';

/** Runs a command line. */
export type Run = (args: readonly string[], circumstances?: Circumstances) => Promise<Outcome>;

/** A tenant of a real controller. */
export interface RealTenant {
  readonly url: string;
  readonly key: string;
  readonly run: Run;
  /** Runs a command line that must succeed, and returns its standard output. */
  ok(...args: readonly string[]): Promise<string>;
}

/** A real controller. */
export interface RealController {
  readonly url: string;
  readonly first: RealTenant;
  /** Creates another tenant, as the operator. */
  tenant(name: string): Promise<RealTenant>;
}

/** Starts a controller in its own process, with the command line signed in. */
export async function startController(t: TestContext, args: readonly string[] = []): Promise<RealController> {
  const dataDir = testFolder(t);
  const controller = await ControllerProcess.start(t, dataDir, args);
  const { printedKey, stdout } = controller;
  const url = /\(here: (http:\S+)\)/.exec(stdout)?.[1] ?? controller.url;
  assert.ok(printedKey !== null, controller.stderr);
  return {
    url,
    first: realTenant(url, printedKey),
    async tenant(name) {
      const created = await sally(undefined, ['tenants', 'create', name, '--key-only', '--data-dir', dataDir]);
      assert.equal(created.code, 0, created.err);
      return realTenant(url, created.out.trim());
    },
  };
}

function realTenant(url: string, key: string): RealTenant {
  const env = { SALLYPORT_URL: url, SALLYPORT_API_KEY: key };
  const run: Run = (args, circumstances = {}) =>
    sally(undefined, args, { ...circumstances, env: { ...env, ...circumstances.env } });
  return {
    url,
    key,
    run,
    async ok(...args) {
      const { code, out, err } = await run(args);
      assert.equal(code, 0, `sally ${args.join(' ')}: ${err}`);
      return out;
    },
  };
}
