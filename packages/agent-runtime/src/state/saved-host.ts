import type { SysctlChange } from '@sallyport/hostnet';
import { type StateDirectory, StateWriteError } from './directory.ts';

/** What has to be undone on this host, and how the settings were before. */
export interface SavedHost<H> {
  readonly host: H;
  /** With the value from before the first change of each. */
  readonly sysctls: readonly SysctlChange[];
}

/** Null when nothing was ever brought up, or the file is damaged. */
export async function readSavedHost<H extends { readonly interface: string }>(
  directory: StateDirectory,
): Promise<SavedHost<H> | null> {
  try {
    const { host, sysctls } = JSON.parse((await directory.read('host.json')) ?? 'null') as SavedHost<H>;
    return typeof host.interface === 'string' && Array.isArray(sysctls) ? { host, sysctls } : null;
  } catch {
    return null;
  }
}

/** Adds what was changed now; what was saved earlier wins, since it is from before us. */
export function mergeSavedHost<H>(saved: SavedHost<H> | null, host: H, changed: readonly SysctlChange[]): SavedHost<H> {
  const known = new Map((saved?.sysctls ?? []).map((change) => [change.path, change]));
  const sysctls = [...known.values(), ...changed.filter(({ path }) => !known.has(path))];
  return { host, sysctls };
}

/**
 * True once it is on disk. False: the disk takes nothing at the moment. Then the caller goes on, because what is to be
 * taken away matters more than what can be undone, keeps it in memory, and writes it later.
 */
export async function writeSavedHost<H>(directory: StateDirectory, saved: SavedHost<H>): Promise<boolean> {
  try {
    await directory.write('host.json', JSON.stringify(saved));
    return true;
  } catch (error) {
    if (error instanceof StateWriteError && error.diskRefuses) return false;
    throw error;
  }
}
