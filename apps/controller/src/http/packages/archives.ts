import { createPublicKey, type KeyObject, verify } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';

/** An archive that agents may install. */
export interface Archive {
  readonly name: string;
  readonly bytes: number;
  /** Hexadecimal, from the signed list. */
  readonly sha256: string;
}

/** A release that is whole: its list of sums carries a signature of the release key. */
export interface Release {
  readonly archives: readonly Archive[];
  /** The signed list of sums, as the release has it. */
  readonly sums: Buffer;
  /** 64 bytes of Ed25519. */
  readonly signature: Buffer;
  /** The public key in PEM. */
  readonly key: string;
}

/** Where releases come from. */
export interface ReleaseFolder {
  /** Folder with archives, `SHA256SUMS` and `SHA256SUMS.sig`. */
  readonly folder: string;
  /** File with the public release key; null: `release-key.pem` in the folder. */
  readonly keyFile: string | null;
  readonly version: string;
}

/** Why there is nothing to install, for the operator. */
export class NoRelease extends Error {}

/** Names in a folder of archives, which the build writes. */
export const releaseFiles = { sums: 'SHA256SUMS', signature: 'SHA256SUMS.sig', key: 'release-key.pem' } as const;

/**
 * Reads the release of this version. Throws `NoRelease` when there is none, or when the signature does not fit. An archive
 * that the signed list does not name is left out. The folder is read each time, because an operator may put archives into
 * it at any moment.
 */
export async function readRelease({ folder, keyFile, version }: ReleaseFolder): Promise<Release> {
  const sums = await readSmall(join(folder, releaseFiles.sums));
  if (sums === null) throw new NoRelease(`There is no ${releaseFiles.sums} in ${folder}.`);
  const signature = await readSmall(join(folder, releaseFiles.signature));
  if (signature === null) throw new NoRelease(`The archives in ${folder} are not signed.`);
  const file = keyFile ?? join(folder, releaseFiles.key);
  const text = (await readSmall(file))?.toString('utf8');
  if (text === undefined) throw new NoRelease(`There is no public release key in ${file}.`);
  const key = publicKeyOf(text);
  if (key === null) throw new NoRelease(`${file} holds no Ed25519 public key in PEM.`);
  if (!verify(null, sums, key, signature))
    throw new NoRelease(`The signature of ${join(folder, releaseFiles.sums)} does not fit the key in ${file}.`);
  const archives = await present(folder, listed(sums.toString('utf8'), version));
  if (archives.length === 0) throw new NoRelease(`${folder} has no archive of version ${version}.`);
  return { archives, sums, signature, key: key.export({ type: 'spki', format: 'pem' }).toString().trim() };
}

/** Opens an archive that a release names; null when it is gone or was replaced. */
export async function openArchive(folder: string, { name, bytes }: Archive): Promise<FileHandle | null> {
  const file = await openFile(join(folder, name));
  if (file === null) return null;
  const stats = await file.stat();
  if (stats.isFile() && stats.size === bytes) return file;
  await file.close();
  return null;
}

function publicKeyOf(text: string): KeyObject | null {
  if (!text.includes('-----BEGIN PUBLIC KEY-----')) return null;
  try {
    const key = createPublicKey(text);
    return key.asymmetricKeyType === 'ed25519' ? key : null;
  } catch {
    return null;
  }
}

/** Lines of `sha256sum` for archives of one version. The pattern lets no path through. */
function listed(sums: string, version: string): Omit<Archive, 'bytes'>[] {
  const start = `sallyport-${version}-linux-`;
  return sums.split('\n').flatMap((line) => {
    const [, sha256 = '', name = ''] = /^([0-9a-f]{64}) [ *]([A-Za-z0-9][A-Za-z0-9._+-]*)$/.exec(line) ?? [];
    return name.startsWith(start) && /^(amd64|arm64)\.tar\.xz$/.test(name.slice(start.length))
      ? [{ name, sha256 }]
      : [];
  });
}

async function present(folder: string, named: readonly Omit<Archive, 'bytes'>[]): Promise<Archive[]> {
  const archives: Archive[] = [];
  for (const one of named) {
    const file = await openFile(join(folder, one.name));
    if (file === null) continue;
    try {
      const stats = await file.stat();
      if (stats.isFile()) archives.push({ ...one, bytes: stats.size });
    } finally {
      await file.close();
    }
  }
  return archives;
}

async function openFile(path: string): Promise<FileHandle | null> {
  try {
    return await open(path, 'r');
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'EACCES', 'EISDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return null;
    throw error;
  }
}

/** Returns the content of a file of at most 64 KiB; null when there is no such file, or it is larger. */
async function readSmall(path: string): Promise<Buffer | null> {
  const file = await openFile(path);
  if (file === null) return null;
  try {
    const stats = await file.stat();
    if (!stats.isFile() || stats.size > smallBytes) return null;
    const { buffer, bytesRead } = await file.read(Buffer.alloc(smallBytes), 0, smallBytes, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

const smallBytes = 65_536;
