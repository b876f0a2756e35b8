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

/** What has to be undone on this host: on disk, and in memory while the disk takes nothing. */
export class HostRecord<H extends { readonly interface: string }> {
  readonly #directory: StateDirectory;
  /** What the disk did not take. */
  #unsaved: SavedHost<H> | null = null;

  constructor(directory: StateDirectory) {
    this.#directory = directory;
  }

  /** Null: nothing was ever brought up. */
  async read(): Promise<SavedHost<H> | null> {
    return this.#unsaved ?? (await readSavedHost<H>(this.#directory));
  }

  /** Notes a state that comes into force, before it does. */
  async intend(host: H): Promise<void> {
    const saved = await this.read();
    if (this.#unsaved !== null || JSON.stringify(saved?.host) !== JSON.stringify(host)) await this.add(host, []);
  }

  /** Notes settings that are about to change, with their values from before. */
  async add(host: H, changed: readonly SysctlChange[]): Promise<void> {
    const saved = mergeSavedHost(await this.read(), host, changed);
    this.#unsaved = (await writeSavedHost(this.#directory, saved)) ? null : saved;
  }

  /** Everything is undone. */
  async remove(): Promise<void> {
    await this.#directory.remove('host.json');
    this.#unsaved = null;
  }
}

/** What was undone with the host's part, a phrase each. */
export function undonePhrases({ sysctls }: Pick<SavedHost<unknown>, 'sysctls'>): string[] {
  const paths = sysctls.map(({ path }) => path);
  return ['addresses, routes and rules', ...(paths.length > 0 ? [`settings ${paths.join(', ')}`] : [])];
}
