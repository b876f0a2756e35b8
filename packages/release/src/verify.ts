import { createHash, type KeyObject } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { ReleaseError } from './error.ts';
import { maxSumsBytes, readSignedSums, signatureFile, sumsFile } from './sums.ts';
import { archiveName, compareVersions, type Processor, parseArchiveName } from './version.ts';

/** Largest archive that is accepted, in bytes. */
export const maxArchiveBytes = 256 * 1024 * 1024;

/** Which release is wanted, and what it is checked against. */
export interface ReleaseRequest {
  /** Folder with `SHA256SUMS`, `SHA256SUMS.sig` and the archive. */
  readonly folder: string;
  /** Public keys that may sign. */
  readonly keys: readonly KeyObject[];
  readonly processor: Processor;
  /** The only version that is accepted; any when absent. */
  readonly version?: string;
  /** Version that runs: the release must be newer. Absent for a first installation. */
  readonly newerThan?: string;
}

/** A release with a valid signature, and an archive with the signed sum. */
export interface Release {
  readonly version: string;
  readonly processor: Processor;
  /** The archive, with its sum in hexadecimal. */
  readonly file: string;
  readonly sum: string;
}

/**
 * Checks the signed sums alone: signature, processor and version. Returns the archive's name and its sum, so that an
 * archive that is too old is refused before it is downloaded.
 */
export function chooseArchive(
  sums: Uint8Array,
  signature: Uint8Array,
  { keys, processor, version, newerThan }: Omit<ReleaseRequest, 'folder'>,
): { name: string; version: string; sum: string } {
  const known = readSignedSums(sums, signature, keys);
  const archives = [...known.keys()].map(parseArchiveName).filter((found) => found !== null);
  const [found, ...others] = new Set(archives.map((archive) => archive.version));
  if (found === undefined || others.length > 0)
    throw new ReleaseError('no_archive', `${sumsFile} must list the archives of one version`);
  const name = archiveName(found, processor);
  const sum = known.get(name);
  if (sum === undefined) throw new ReleaseError('no_archive', `${sumsFile} lists no archive for ${processor}`);
  if (version !== undefined && version !== found)
    throw new ReleaseError('no_archive', `${sumsFile} is of version ${found}, not ${version}`);
  if (newerThan !== undefined && compareVersions(found, newerThan) <= 0)
    throw new ReleaseError('not_newer', `version ${found} is not newer than ${newerThan}`);
  return { name, version: found, sum };
}

/** Checks signature, processor, version and sum of a release in a folder. Throws a `ReleaseError`, and changes nothing. */
export async function verifyRelease(request: ReleaseRequest): Promise<Release> {
  const { folder, processor } = request;
  const sums = await readShort(join(folder, sumsFile), maxSumsBytes);
  const signature = await readShort(join(folder, signatureFile), 64);
  const { name, version, sum } = chooseArchive(sums, signature, request);
  const file = join(folder, name);
  await using archive = await openArchive(file);
  if ((await sumOf(archive)) !== sum) throw wrongSum(file);
  return { version, processor, file, sum };
}

/** Refusal of an archive whose bytes are not the signed ones. */
export const wrongSum = (file: string): ReleaseError =>
  new ReleaseError('wrong_sum', `${file} has another sum than ${sumsFile} says: it is cut, damaged or forged`);

/** Opens an archive. Throws when it is missing, no plain file, or too large. */
export async function openArchive(file: string): Promise<FileHandle> {
  const handle = await openOr(file, 'no_archive');
  const stats = await handle.stat();
  if (stats.isFile() && stats.size <= maxArchiveBytes) return handle;
  await handle.close();
  if (!stats.isFile()) throw new ReleaseError('no_archive', `${file} is no file`);
  throw new ReleaseError('too_large', `${file} is larger than ${maxArchiveBytes} bytes`);
}

async function sumOf(handle: FileHandle): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of handle.createReadStream({ start: 0, autoClose: false })) hash.update(chunk);
  return hash.digest('hex');
}

/** Reads a file of at most `most` bytes. One byte more than that is returned as such: the reader refuses it. */
async function readShort(file: string, most: number): Promise<Buffer> {
  await using handle = await openOr(file, 'bad_sums');
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(most + 1), 0, most + 1, 0);
  return buffer.subarray(0, bytesRead);
}

async function openOr(file: string, problem: 'bad_sums' | 'no_archive'): Promise<FileHandle> {
  try {
    return await open(file, 'r');
  } catch (error) {
    throw new ReleaseError(problem, `${file} cannot be read: ${(error as NodeJS.ErrnoException).code}`);
  }
}
