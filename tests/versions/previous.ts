import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { exec } from '@sallyport/testkit';

const root = join(import.meta.dirname, '../..');

/** The release before the present one, as `previous.json` names it. */
export interface Previous {
  readonly version: string;
  /** Full hash of a commit in the history of this repository. */
  readonly commit: string;
  readonly protocol: number;
}

/** The release before the present one. */
export const previous: Previous = JSON.parse(readFileSync(join(import.meta.dirname, 'previous.json'), 'utf8'));

/** File with a state that an agent of the previous release stored, for clones without its commit. */
export const recordedFile: string = join(import.meta.dirname, `state-${previous.version}.json`);

/** Returns why the previous release cannot run here; null when it can. */
export async function whyNoPrevious(): Promise<string | null> {
  const here = await exec('git', ['-C', root, 'cat-file', '-e', `${previous.commit}^{commit}`]).then(
    () => true,
    () => false,
  );
  return here ? null : `the commit of ${previous.version} is not in this clone: fetch the whole history`;
}

/**
 * Unpacks the source of the previous release, and returns its folder. It runs with the third-party modules of today, which
 * are linked. `end` removes the folder.
 */
export async function unpackPrevious(): Promise<{ folder: string; end: () => void }> {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-previous-'));
  const end = () => rmSync(folder, { recursive: true, force: true });
  try {
    const archive = join(folder, 'source.tar');
    const parts = ['package.json', 'bin', 'packages', 'apps'];
    await exec('git', ['-C', root, 'archive', '-o', archive, previous.commit, ...parts]);
    await exec('tar', ['-xf', archive, '-C', folder]);
    rmSync(archive);
    linkModules(folder);
    return { folder, end };
  } catch (error) {
    end();
    throw error;
  }
}

/** Gives a copy of the source the third-party modules of today. */
export function linkModules(folder: string): void {
  const modules = join(folder, 'node_modules');
  mkdirSync(join(modules, '@sallyport'), { recursive: true });
  for (const name of readdirSync(join(root, 'node_modules')))
    if (name !== '@sallyport' && name !== '.cache') symlinkSync(join(root, 'node_modules', name), join(modules, name));
  for (const part of ['packages', 'apps'])
    for (const name of readdirSync(join(folder, part)))
      if (existsSync(join(folder, part, name, 'package.json')))
        symlinkSync(join(folder, part, name), join(modules, '@sallyport', name));
}

/** Runs a module of JavaScript in a folder, whose packages it imports. Returns the JSON that it prints. */
export async function evaluate(folder: string, source: string, input: unknown): Promise<unknown> {
  const output = await new Promise<string>((resolve, reject) => {
    const child = execFile(
      process.execPath,
      ['--input-type=module', '--eval', source],
      { cwd: folder, maxBuffer: 1 << 24 },
      (error, stdout, stderr) => (error === null ? resolve(stdout) : reject(new Error(stderr, { cause: error }))),
    );
    child.stdin?.end(JSON.stringify(input));
  });
  return JSON.parse(output);
}

/** A module that reads a stored state from standard input and says what the agent of that version makes of it. */
export const readState = `
import { readFileSync } from 'node:fs';
import { readStoredState } from '@sallyport/agent-core';
import { identityCrypto } from '@sallyport/agent-runtime';
import { randomBytes } from 'node:crypto';
const { text, agent, controllerKey, now } = JSON.parse(readFileSync(0, 'utf8'));
const { crypto } = { crypto: identityCrypto(randomBytes(32).toString('base64'), randomBytes(32).toString('base64')) };
const outcome = readStoredState(text, { agent, controllerKey, crypto }, now);
console.log(JSON.stringify({
  kind: outcome.kind,
  reason: outcome.reason,
  complete: outcome.complete,
  items: outcome.desired && [...outcome.desired.items.keys()],
}));
`;

/** A module that makes a signed state of items, and prints it as an agent of that version stores it. */
export const storeState = `
import { readFileSync } from 'node:fs';
import { DesiredState, formatStoredState } from '@sallyport/agent-core';
import { ScriptedController } from '@sallyport/agent-core/testing';
import { identityCrypto } from '@sallyport/agent-runtime';
import { randomBytes } from 'node:crypto';
const { items, agent, now } = JSON.parse(readFileSync(0, 'utf8'));
const controller = new ScriptedController(agent);
controller.leaseMs = 1_000_000_000_000;
controller.change(items, [], now);
const desired = new DesiredState();
const crypto = identityCrypto(randomBytes(32).toString('base64'), randomBytes(32).toString('base64'));
const verdict = desired.adoptSnapshot(controller.snapshot(now), { agent, controllerKey: controller.key.publicKey, crypto });
if (verdict.kind !== 'adopted') throw new Error(verdict.reason);
console.log(JSON.stringify({ text: formatStoredState(desired, now, now), agent, controllerKey: controller.key.publicKey, now }));
`;
