import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { open, readdir, readFile, rm, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { EmbeddedDatabase } from '../db/open.ts';
import { ApiError } from '../errors.ts';
import { type Entry, packArchive } from './archive.ts';
import type { Pieces } from './bytes.ts';
import { markAsCopy } from './marker.ts';

export interface SnapshotSource {
  readonly database: EmbeddedDatabase;
  readonly dataDir: string;
  readonly masterKeyFile: string;
  readonly version: string;
  readonly now: () => number;
}

/** The content of a backup, ready to be sent. Call `discard` in the end. */
export interface Snapshot {
  readonly size: number;
  readonly pieces: Pieces;
  discard(): Promise<void>;
}

/** Makes snapshots of a running controller, one at a time, and needs the size of the database on the disk meanwhile. */
export class Snapshots {
  readonly #source: SnapshotSource;
  readonly #stop = new AbortController();
  #busy: Promise<unknown> | null = null;

  constructor(source: SnapshotSource) {
    this.#source = source;
  }

  async take(): Promise<Snapshot> {
    if (this.#busy !== null) throw new ApiError('unavailable', 'Another backup is being made: wait for it to end');
    const work = this.#take();
    this.#busy = work;
    try {
      return await work;
    } finally {
      this.#busy = null;
    }
  }

  /** Ends a copy that is under way. Resolves when the database is not used by it any more. */
  async stop(): Promise<void> {
    this.#stop.abort(new ApiError('unavailable', 'The controller is stopping'));
    await this.#busy?.catch(() => undefined);
  }

  async #take(): Promise<Snapshot> {
    const { dataDir, version, now } = this.#source;
    await removePartial(dataDir);
    const createdAt = new Date(now()).toISOString();
    const file = join(dataDir, `${partialPrefix}${randomBytes(6).toString('hex')}.partial`);
    try {
      await this.#copy(file, createdAt);
      const handle = await open(file, 'r');
      // From here on nothing is left behind, whatever ends the process.
      await rm(file);
      const database: Entry = {
        name: 'sallyport.db',
        size: (await handle.stat()).size,
        content: () => handle.createReadStream({ autoClose: false }),
      };
      const { size, pieces } = packArchive({ createdAt, version }, [database, ...(await this.#smallFiles())]);
      return { size, pieces, discard: () => handle.close() };
    } catch (error) {
      await rm(file, { force: true });
      throw error;
    }
  }

  async #copy(file: string, createdAt: string): Promise<void> {
    await this.#checkSpace();
    await this.#source.database.copyTo(file, { signal: this.#stop.signal });
    const copy = new DatabaseSync(file);
    try {
      markAsCopy(copy, createdAt);
    } finally {
      copy.close();
    }
  }

  /** A copy that fills the disk would stop writes. */
  async #checkSpace(): Promise<void> {
    const { dataDir, database } = this.#source;
    const { bavail, bsize } = await statfs(dataDir);
    const [needed, free] = [database.size() + spareBytes, bavail * bsize];
    if (free >= needed) return;
    const [want, have] = [needed, free].map((bytes) => Math.ceil(bytes / 2 ** 20));
    throw new ApiError(
      'unavailable',
      `A backup needs ${want} MiB free on the disk of ${dataDir} while it is made, and ${have} MiB are free`,
    );
  }

  async #smallFiles(): Promise<Entry[]> {
    const { dataDir, masterKeyFile } = this.#source;
    const identity = join(dataDir, 'gateway', 'identity.json');
    const key = await smallFile('master.key', masterKeyFile);
    return existsSync(identity) ? [key, await smallFile('gateway/identity.json', identity)] : [key];
  }
}

/** Removes what a controller that died in a backup has left. */
export async function removePartial(dataDir: string): Promise<void> {
  for (const name of await readdir(dataDir).catch(() => []))
    if (name.startsWith(partialPrefix) && /\.partial(-journal|-wal|-shm)?$/.test(name))
      await rm(join(dataDir, name), { force: true });
}

const partialPrefix = 'backup-';
/** What is left for writes while a copy is on the disk. */
const spareBytes = 64 * 2 ** 20;

async function smallFile(name: Entry['name'], path: string): Promise<Entry> {
  const text = await readFile(path);
  return {
    name,
    size: text.length,
    content: async function* () {
      yield text;
    },
  };
}
