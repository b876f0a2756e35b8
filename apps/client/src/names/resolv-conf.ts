import { randomBytes } from 'node:crypto';
import { lstat, open, readFile, realpath, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { parseUnmapped } from '@sallyport/ip';

/** Address on which the client answers queries of this host. */
export const stubAddress = '127.0.0.153';

const note = '# Sallyport: the next line sends names of resources into the tunnel. "sally down" removes both lines.';
const added = `${note}\nnameserver ${stubAddress}\n`;

/** Adds our lines to the text of `resolv.conf`. Its own resolvers follow, for the time when no daemon runs. */
export const withStub = (text: string): string => added + withoutStub(text);

/** Returns the text without our lines, exactly as it was. */
export const withoutStub = (text: string): string => text.replaceAll(added, '');

/** Returns the other resolvers of a text, at most three, as the system's own library takes them. */
export function otherResolvers(text: string): string[] {
  const found = withoutStub(text)
    .split('\n')
    .flatMap((line) => /^\s*nameserver\s+(\S+)/.exec(line)?.[1] ?? [])
    .filter((address) => parseUnmapped(address) !== null && address !== stubAddress);
  return found.length === 0 ? ['127.0.0.1'] : found.slice(0, 3);
}

/**
 * The file `resolv.conf`. Our lines stand before what other programs wrote, so taking them out restores the file,
 * whatever happened in between. No other record is needed.
 */
export class ResolvConf {
  readonly #path: string;

  constructor(path = '/etc/resolv.conf') {
    this.#path = path;
  }

  async read(): Promise<string> {
    return readFile(this.#path, 'utf8').catch(() => '');
  }

  /** Puts our lines first. Returns whether they were missing. */
  async add(): Promise<boolean> {
    return this.#replace(withStub);
  }

  /** Takes our lines out. Returns whether they were there. */
  async remove(): Promise<boolean> {
    return this.#replace(withoutStub);
  }

  async #replace(change: (text: string) => string): Promise<boolean> {
    const before = await this.read();
    const after = change(before);
    if (after === before) return false;
    // A link leads to the file of another program, which then finds its own lines there.
    const target = await realpath(this.#path).catch(() => this.#path);
    await replaceFile(target, after);
    return true;
  }
}

/** Replaces a file at once. A file that is mounted by itself cannot be replaced, so it is overwritten. */
async function replaceFile(path: string, text: string): Promise<void> {
  const temporary = join(dirname(path), `.sallyport-${randomBytes(4).toString('hex')}`);
  const mode = await lstat(path).then(
    (found) => found.mode & 0o777,
    () => 0o644,
  );
  try {
    const file = await open(temporary, 'wx', mode);
    try {
      await file.writeFile(text);
      await file.chmod(mode);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    if (!inPlace.has((error as NodeJS.ErrnoException).code ?? '')) throw error;
    const file = await open(path, 'r+');
    try {
      const bytes = Buffer.from(text);
      await file.write(bytes, 0, bytes.length, 0);
      await file.truncate(bytes.length);
      await file.sync();
    } finally {
      await file.close();
    }
  }
}

const inPlace = new Set(['EBUSY', 'EXDEV', 'EROFS', 'EACCES', 'EPERM']);
