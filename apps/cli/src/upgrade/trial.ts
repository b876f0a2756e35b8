import { link, open, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Layout, syncFolder } from './layout.ts';
import { holderText, livingProcess } from './processes.ts';

/**
 * The file `HOME/trial`: `VERSION PID START`. While that process runs, `bin/sally` starts agents with this version instead
 * of the current one. When the process ends without a decision, the next start of an agent uses the current version.
 */
const fileOf = ({ home }: Layout): string => join(home, 'trial');

/** Begins a trial. Returns null, or the version that another process is trying at this moment. */
export async function beginTrial(layout: Layout, version: string): Promise<string | null> {
  const text = `${version} ${await holderText(process.pid)}\n`;
  const prepared = join(layout.home, `.trial-${process.pid}`);
  await rm(prepared, { force: true });
  await using file = await open(prepared, 'wx', 0o644);
  await file.writeFile(text);
  await file.sync();
  try {
    for (;;) {
      if (await linked(prepared, fileOf(layout))) break;
      const other = await runningTrial(layout);
      if (other !== null) return other;
      await rm(fileOf(layout), { force: true });
    }
    await syncFolder(layout.home);
    return null;
  } finally {
    await rm(prepared, { force: true });
  }
}

/** Ends the trial: agents start with the current version again. */
export async function endTrial(layout: Layout): Promise<void> {
  await rm(fileOf(layout), { force: true });
  await syncFolder(layout.home);
}

/** Returns the version that a living process tries, or null. */
export async function runningTrial(layout: Layout): Promise<string | null> {
  const text = await readFile(fileOf(layout), 'utf8').catch(() => '');
  const [, version = '', holder = ''] = /^(\S+) (\d+ \d+)\n$/.exec(text) ?? [];
  return version !== '' && (await livingProcess(holder)) !== null ? version : null;
}

async function linked(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}
