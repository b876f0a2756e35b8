import { randomBytes } from 'node:crypto';
import { open, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { longestUpgradeReason, type UpgradeStep } from '@sallyport/contract/channel';
import { isUpgrading, readUpgradeFile } from '@sallyport/contract/local';
import { exitCodes, Failure } from '../failure.ts';
import { syncFolder } from './layout.ts';
import { holderText } from './processes.ts';

/** Tells the agent of a gateway how the upgrade stands that its controller asked for. */
export type Report = (state: UpgradeStep, reason?: string) => Promise<void>;

/** Reports nothing: a person upgrades this host. */
export const noReport: Report = async () => undefined;

/**
 * Returns the report to `upgrade.json` of a gateway's state directory. Throws a Failure when the file is not about this
 * request, or the request has ended: then the agent has given it up.
 */
export async function reportTo(stateDir: string, request: string): Promise<Report> {
  const path = join(stateDir, 'upgrade.json');
  const begun = readUpgradeFile(await readFile(path, 'utf8').catch(() => ''));
  if (begun?.request !== request || !isUpgrading(begun))
    throw new Failure(exitCodes.failed, `${path} does not ask for the upgrade ${request}`);
  const holder = await holderText(process.pid);
  const { version } = begun;
  return async (state, reason) => {
    const why = reason === undefined ? {} : { reason: reason.slice(0, longestUpgradeReason) };
    await replace(stateDir, path, `${JSON.stringify({ request, version, state, ...why, holder })}\n`);
  };
}

async function replace(folder: string, path: string, text: string): Promise<void> {
  const next = `${path}.${randomBytes(4).toString('hex')}`;
  try {
    await using file = await open(next, 'wx', 0o600);
    await file.writeFile(text);
    await file.sync();
  } catch (error) {
    await rm(next, { force: true });
    throw error;
  }
  await rename(next, path);
  await syncFolder(folder);
}
