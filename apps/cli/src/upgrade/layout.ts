import { existsSync, readlinkSync, realpathSync } from 'node:fs';
import { open, readdir, rename, rm, symlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { isVersion } from '@sallyport/release';

/**
 * Where the install script puts versions: `HOME/versions/0.3.0`, and a link `HOME/current` to the one that is used. The
 * folder of a version appears whole or not at all.
 */
export interface Layout {
  readonly home: string;
}

/** Returns the layout that a program belongs to; null for a checkout or a package of the distribution. */
export function layoutOf(root: string): Layout | null {
  const folder = realpathSync(root);
  const versions = dirname(folder);
  const home = dirname(versions);
  const fits = basename(versions) === 'versions' && isVersion(basename(folder)) && existsSync(join(home, 'current'));
  return fits ? { home } : null;
}

/** Returns the folder of a version. */
export const versionFolder = ({ home }: Layout, version: string): string => join(home, 'versions', version);

/** Returns the version that `current` links to. */
export const currentVersion = ({ home }: Layout): string => basename(readlinkSync(join(home, 'current')));

/** Makes `current` link to a version, in one step that is on the disk when this returns. */
export async function switchCurrent({ home }: Layout, version: string): Promise<void> {
  const next = join(home, `.current-${process.pid}`);
  await rm(next, { force: true });
  await symlink(join('versions', version), next);
  await rename(next, join(home, 'current'));
  await syncFolder(home);
}

/** Removes versions that are neither named nor current. */
export async function removeVersions(layout: Layout, kept: readonly string[]): Promise<void> {
  const keep = new Set([...kept, currentVersion(layout)]);
  const versions = join(layout.home, 'versions');
  for (const name of await readdir(versions))
    if (isVersion(name) && !keep.has(name)) await rm(join(versions, name), { recursive: true, force: true });
}

/** Makes the names in a folder durable. */
export async function syncFolder(path: string): Promise<void> {
  await using folder = await open(path, 'r');
  await folder.sync();
}
