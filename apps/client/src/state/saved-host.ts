import type { StateDirectory } from '@sallyport/agent-runtime';
import type { ClientHostState, SysctlChange } from '@sallyport/hostnet';

/** What has to be undone on this host, and how the settings were before. */
export interface SavedHost {
  readonly host: ClientHostState;
  /** With the value from before the first change of each. */
  readonly sysctls: readonly SysctlChange[];
}

/** Null when nothing was ever brought up, or the file is damaged. */
export async function readSavedHost(directory: StateDirectory): Promise<SavedHost | null> {
  try {
    const { host, sysctls } = JSON.parse((await directory.read('host.json')) ?? 'null') as SavedHost;
    return typeof host.interface === 'string' && Array.isArray(sysctls) ? { host, sysctls } : null;
  } catch {
    return null;
  }
}

/** Adds what was changed now; what was saved earlier wins, since it is from before us. */
export function mergeSavedHost(
  saved: SavedHost | null,
  host: ClientHostState,
  changed: readonly SysctlChange[],
): SavedHost {
  const known = new Map((saved?.sysctls ?? []).map((change) => [change.path, change]));
  return { host, sysctls: [...known.values(), ...changed.filter(({ path }) => !known.has(path))] };
}

export function writeSavedHost(directory: StateDirectory, saved: SavedHost): Promise<void> {
  return directory.write('host.json', JSON.stringify(saved));
}
