import type { KeyObject } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import { basename, join } from 'node:path';
import {
  maxSumsBytes,
  parseArchiveName,
  parseReleaseKeys,
  ReleaseError,
  readSignedSums,
  releaseKeyFile,
  signatureFile,
  sumsFile,
} from '@sallyport/release';

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
  /** Public keys in PEM, each with a line end. */
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

/** Why there is nothing to install. The message is public, so it names no folder. */
export class NoRelease extends Error {}

/**
 * Reads the release of this version. Throws `NoRelease` when there is none, or when the signature does not fit. An archive
 * that the signed list does not name is left out. The folder is read each time, because an operator may put archives into
 * it at any moment.
 */
export async function readRelease({ folder, keyFile, version }: ReleaseFolder): Promise<Release> {
  const sums = await read(join(folder, sumsFile), 'There are no archives');
  const signature = await read(join(folder, signatureFile), 'The archives are not signed');
  const key = await read(keyFile ?? join(folder, releaseKeyFile), 'There is no public release key');
  const { keys, sumOf } = checked(sums, signature, key.toString('utf8'));
  const archives = await present(folder, version, sumOf);
  if (archives.length === 0) throw new NoRelease(`There is no archive of version ${version}.`);
  return { archives, sums, signature, key: keys.map(pemOf).join('') };
}

function checked(sums: Buffer, signature: Buffer, key: string) {
  try {
    const keys = parseReleaseKeys(key);
    return { keys, sumOf: readSignedSums(sums, signature, keys) };
  } catch (error) {
    if (error instanceof ReleaseError) throw new NoRelease(sentence(error.message));
    throw error;
  }
}

const pemOf = (key: KeyObject): string => key.export({ type: 'spki', format: 'pem' }).toString();
const sentence = (text: string): string => `${text.slice(0, 1).toUpperCase()}${text.slice(1)}.`;

/** Opens an archive that a release names; null when it is gone or was replaced. */
export async function openArchive(folder: string, { name, bytes }: Archive): Promise<FileHandle | null> {
  const file = await openFile(join(folder, name));
  if (file === null) return null;
  const stats = await file.stat();
  if (stats.isFile() && stats.size === bytes) return file;
  await file.close();
  return null;
}

async function present(folder: string, version: string, sums: ReadonlyMap<string, string>): Promise<Archive[]> {
  const archives: Archive[] = [];
  for (const [name, sha256] of sums) {
    if (parseArchiveName(name)?.version !== version) continue;
    const file = await openFile(join(folder, name));
    if (file === null) continue;
    try {
      const stats = await file.stat();
      if (stats.isFile()) archives.push({ name, sha256, bytes: stats.size });
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

/** Reads a small file. Throws `NoRelease` with a reason when there is no such file, or it is too large. */
async function read(path: string, absent: string): Promise<Buffer> {
  const file = await openFile(path);
  if (file === null) throw new NoRelease(`${absent}: ${basename(path)} cannot be read.`);
  try {
    const stats = await file.stat();
    if (!stats.isFile() || stats.size > maxSumsBytes) throw new NoRelease(`${basename(path)} is no file of a release.`);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(maxSumsBytes), 0, maxSumsBytes, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}
