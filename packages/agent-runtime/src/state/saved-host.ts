import type { SysctlChange } from '@sallyport/hostnet';
import { type StateDirectory, StateWriteError } from './directory.ts';

/** Record of the changes to undo on this host, with the original settings. */
export interface SavedHost<H> {
  readonly host: H;
  /** Changed settings with their original values. */
  readonly sysctls: readonly SysctlChange[];
}

/** Reads the record; null: nothing was ever applied, or the file is damaged. */
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

/** Adds new changes. Earlier values win, because they are the original ones. */
export function mergeSavedHost<H>(saved: SavedHost<H> | null, host: H, changed: readonly SysctlChange[]): SavedHost<H> {
  const known = new Map((saved?.sysctls ?? []).map((change) => [change.path, change]));
  const sysctls = [...known.values(), ...changed.filter(({ path }) => !known.has(path))];
  return { host, sysctls };
}

/**
 * Writes the record and returns true. Returns false if the disk accepts no writes. The caller then continues, because
 * revoking access matters more than undo records. It keeps the record in memory and writes it later.
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

/** Record of the changes to undo: on disk, and in memory while the disk accepts no writes. */
export class HostRecord<H extends { readonly interface: string }> {
  readonly #directory: StateDirectory;
  /** Record that is not on disk yet. */
  #unsaved: SavedHost<H> | null = null;

  constructor(directory: StateDirectory) {
    this.#directory = directory;
  }

  /** Returns the record; null: nothing was ever applied. */
  async read(): Promise<SavedHost<H> | null> {
    return this.#unsaved ?? (await readSavedHost<H>(this.#directory));
  }

  /** Records a state before it is applied. */
  async intend(host: H): Promise<void> {
    const saved = await this.read();
    if (this.#unsaved !== null || JSON.stringify(saved?.host) !== JSON.stringify(host)) await this.add(host, []);
  }

  /** Records the original values of settings before they change. */
  async add(host: H, changed: readonly SysctlChange[]): Promise<void> {
    const saved = mergeSavedHost(await this.read(), host, changed);
    this.#unsaved = (await writeSavedHost(this.#directory, saved)) ? null : saved;
  }

  /** Clears the record after an undo. */
  async remove(): Promise<void> {
    await this.#directory.remove('host.json');
    this.#unsaved = null;
  }
}

/** Returns a phrase for each undone part of the host. */
export function undonePhrases({ sysctls }: Pick<SavedHost<unknown>, 'sysctls'>): string[] {
  const paths = sysctls.map(({ path }) => path);
  return ['addresses, routes and rules', ...(paths.length > 0 ? [`settings ${paths.join(', ')}`] : [])];
}
