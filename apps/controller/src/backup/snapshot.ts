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

/** What a snapshot is taken from. */
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

/** Makes snapshots of a running controller, one at a time. Each needs free disk space of the size of the database. */
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

  /** Runs a work while no snapshot is taken, and lets none begin meanwhile. */
  async whileNone<T>(work: () => Promise<T>): Promise<T> {
    if (this.#busy !== null) throw new ApiError('unavailable', 'A backup is being made: wait for it to end');
    const running = work();
    this.#busy = running;
    try {
      return await running;
    } finally {
      this.#busy = null;
    }
  }

  /** Ends a running copy. Resolves when the copy no longer uses the database. */
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

  /** Refuses a copy that would fill the disk, because a full disk stops writes. */
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

/** Removes the files of a controller that died during a backup. */
export async function removePartial(dataDir: string): Promise<void> {
  for (const name of await readdir(dataDir).catch(() => []))
    if (name.startsWith(partialPrefix) && /\.partial(-journal|-wal|-shm)?$/.test(name))
      await rm(join(dataDir, name), { force: true });
}

const partialPrefix = 'backup-';
/** Disk space that is left for writes during a copy. */
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
