import { randomBytes } from 'node:crypto';
import { chmod, lstat, mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { AgentError, UsageError } from '../failure.ts';

/** Name of a file in the state directory. */
export type StateFile =
  | 'identity.json'
  | 'state.json'
  | 'endpoints.json'
  | 'host.json'
  | 'status.json'
  | 'client.json'
  | 'relay.json'
  | 'names.json'
  | 'upgrade.json';

/** Maximum sizes: a state of 500,000 items, endpoints of 50,000 peers, a status of as many routes. */
const mostBytes: Readonly<Record<StateFile, number>> = {
  'identity.json': 64 << 10,
  'client.json': 64 << 10,
  'host.json': 16 << 20,
  'status.json': 64 << 20,
  'endpoints.json': 16 << 20,
  'relay.json': 16 << 20,
  'names.json': 64 << 20,
  'upgrade.json': 64 << 10,
  'state.json': 256 << 20,
};

/** The agent's directory (0700) with small files (0600). A write replaces a file atomically. */
export class StateDirectory {
  readonly path: string;
  /** Reasons why the newest text of a file is not on disk. */
  readonly #unsaved = new Map<StateFile, string>();

  private constructor(path: string) {
    this.path = path;
  }

  /** Creates the directory if it is missing. Throws UsageError on failure. */
  static async open(path: string): Promise<StateDirectory> {
    try {
      await mkdir(path, { recursive: true, mode: 0o700 });
      await checkOwner(path);
      await chmod(path, 0o700).catch(unlessReadOnly);
    } catch (error) {
      if (error instanceof UsageError) throw error;
      const reason = (error as NodeJS.ErrnoException).code ?? (error as Error).message;
      throw new UsageError(`--state-dir: ${path} cannot be used (${reason}): run as root, or choose another directory`);
    }
    return new StateDirectory(path);
  }

  /** Opens a directory without creating it. */
  static at(path: string): StateDirectory {
    return new StateDirectory(path);
  }

  /** Returns a sentence for people about each file that could not be stored. */
  get unsaved(): string[] {
    const [why] = this.#unsaved.values();
    if (why === undefined) return [];
    const what = [...this.#unsaved.keys()].map((file) => contents[file]);
    return [
      `The state directory ${this.path} does not take ${what.join(', ')} (${why}). All of it is in force, but lost when this host starts again. Make room on the disk, or make it writable.`,
    ];
  }

  /** Reads a file; null: it does not exist. Throws AgentError if it is unreadable or too large. */
  async read(file: StateFile): Promise<string | null> {
    const path = join(this.path, file);
    try {
      const { size } = await stat(path);
      if (size > mostBytes[file])
        throw new AgentError('state-dir', `${path} has ${size} bytes and is damaged: remove it`);
      return await readFile(path, 'utf8');
    } catch (error) {
      if (error instanceof AgentError) throw error;
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'ENOENT' || code === 'ENOTDIR') return null;
      throw new AgentError('state-dir', `${path} cannot be read (${code}): run as the user who owns it`);
    }
  }

  /** Replaces the file; when it returns, the new text survives a power cut. */
  async write(file: StateFile, text: string): Promise<void> {
    const target = join(this.path, file);
    const temporary = `${target}.${randomBytes(4).toString('hex')}`;
    try {
      await writeDurably(temporary, text);
      await rename(temporary, target);
      await syncDirectory(this.path);
      this.#unsaved.delete(file);
    } catch (error) {
      await rm(temporary, { force: true }).catch(() => undefined);
      const reason = (error as NodeJS.ErrnoException).code ?? 'unknown';
      this.#unsaved.set(file, reason);
      throw new StateWriteError(target, reason);
    }
  }

  /**
   * Replaces the file like `write`, but never keeps the old text. On a full disk it overwrites the file in place. If that
   * fails too, it removes the file. A crash may leave a partial text, which the reader must detect.
   */
  async writeOrForget(file: StateFile, text: string): Promise<void> {
    try {
      await this.write(file, text);
    } catch (error) {
      const target = join(this.path, file);
      try {
        await overwrite(target, text);
        this.#unsaved.delete(file);
      } catch {
        await rm(target, { force: true });
        await syncDirectory(this.path);
        throw error;
      }
    }
  }

  async remove(file: StateFile): Promise<void> {
    await rm(join(this.path, file), { force: true });
  }
}

const contents: Readonly<Record<StateFile, string>> = {
  'identity.json': 'the enrolment',
  'client.json': 'the settings',
  'host.json': 'what is to be undone on this host',
  'status.json': 'the status',
  'endpoints.json': 'the endpoints of peers',
  'relay.json': 'what the relay has learned',
  'names.json': 'the addresses of names',
  'upgrade.json': 'the state of an upgrade',
  'state.json': 'the newest state of the controller',
};

/** A file of the state directory could not be written. The old file is unchanged. */
export class StateWriteError extends AgentError {
  /** Whether the disk accepts no writes at all. */
  readonly diskRefuses: boolean;

  constructor(target: string, reason: string) {
    super('state-dir', `${target} cannot be written (${reason}): is the disk full or read-only?`);
    this.diskRefuses = ['ENOSPC', 'EDQUOT', 'EROFS', 'EIO'].includes(reason);
  }
}

/** Overwrites the existing blocks of a file. */
async function overwrite(path: string, text: string): Promise<void> {
  const file = await open(path, 'r+');
  try {
    const bytes = Buffer.from(text);
    let at = 0;
    while (at < bytes.length) at += (await file.write(bytes, at, bytes.length - at, at)).bytesWritten;
    await file.truncate(bytes.length);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Rejects a directory of another user. That user could plant keys, and settings that `down` restores as root. */
async function checkOwner(path: string): Promise<void> {
  const found = await lstat(path);
  if (!found.isDirectory())
    throw new UsageError(`--state-dir: ${path} is not a directory of its own: links are not followed`);
  if (found.uid !== process.geteuid?.())
    throw new UsageError(
      `--state-dir: ${path} belongs to another user (uid ${found.uid}): choose a directory of your own`,
    );
}

/** Rethrows every error except that of a read-only file system, on which the agent still starts and enforces. */
function unlessReadOnly(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EROFS') throw error;
}

async function writeDurably(path: string, text: string): Promise<void> {
  const file = await open(path, 'wx', 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
