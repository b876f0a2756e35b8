import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Where the set-up link is told. A terminal shows it. Output that goes elsewhere, such as the journal of a service manager,
 * is kept and read by others, so there the link stands in a file of the data directory that only this user can read.
 */
export function tellSetUp(setUpUrl: string | null, dataDir: string, isTerminal: boolean): string | null {
  const file = join(dataDir, 'set-up-link');
  rmSync(file, { force: true });
  if (setUpUrl === null || isTerminal) return setUpUrl;
  writeFileSync(file, `${setUpUrl}\n`, { mode: 0o600, flag: 'wx' });
  return `the link in ${file}`;
}
