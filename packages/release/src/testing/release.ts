import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createWriteStream, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createReleaseKey, parsePrivateKey, type ReleaseKeyPair, signSums } from '../key.ts';
import { formatSums, releaseKeyFile, signatureFile, sumsFile } from '../sums.ts';
import { type TarInput, writeTar } from '../tar-write.ts';
import { archiveName, folderName, type Processor, processors } from '../version.ts';

/** What a release for tests holds. */
export interface TestRelease {
  readonly version: string;
  /** The processor of this machine by default. */
  readonly processor?: Processor;
  /** Files below the folder of the package, by path. Those in `bin/` can be run. */
  readonly files?: Readonly<Record<string, string | Buffer>>;
  /** Entries that a release of ours never has, at the end of the archive. */
  readonly hostile?: readonly TarInput[];
  readonly key?: ReleaseKeyPair;
}

/** Processor of this machine. */
export const ownProcessor: Processor = processors[process.arch] ?? 'amd64';

/** Writes a small signed release, and the public key beside it, into a folder. Returns its key and the archive. */
export async function makeRelease(
  folder: string,
  { version, processor = ownProcessor, files = {}, hostile = [], key = createReleaseKey() }: TestRelease,
): Promise<{ key: ReleaseKeyPair; archive: string; folder: string }> {
  mkdirSync(folder, { recursive: true });
  const archive = join(folder, archiveName(version, processor));
  const manifest = JSON.stringify({ name: 'sallyport', version, type: 'module' });
  const entries = entriesOf(folderName(version, processor), { 'package.json': manifest, ...files });
  await writeXz(archive, [...entries, ...hostile]);
  signRelease(folder, [archiveName(version, processor)], key);
  return { key, archive, folder };
}

/** Writes `SHA256SUMS`, its signature and the public key for the named files of a folder. */
export function signRelease(folder: string, names: readonly string[], key: ReleaseKeyPair): void {
  const sum = (name: string) =>
    createHash('sha256')
      .update(readFileSync(join(folder, name)))
      .digest('hex');
  const sums = Buffer.from(formatSums(new Map(names.map((name) => [name, sum(name)]))));
  writeFileSync(join(folder, sumsFile), sums);
  writeFileSync(join(folder, signatureFile), signSums(sums, parsePrivateKey(key.privateKey)));
  writeFileSync(join(folder, releaseKeyFile), key.publicKey);
}

function entriesOf(top: string, files: Readonly<Record<string, string | Buffer>>): TarInput[] {
  const folders = new Set([top]);
  for (const path of Object.keys(files))
    for (let at = path.indexOf('/'); at > 0; at = path.indexOf('/', at + 1)) folders.add(`${top}/${path.slice(0, at)}`);
  return [
    ...[...folders].map((path): TarInput => ({ path, mode: 0o755, holds: 'folder' })),
    ...Object.entries(files).map(
      ([path, content]): TarInput => ({
        path: `${top}/${path}`,
        mode: path.startsWith('bin/') ? 0o755 : 0o644,
        holds: Buffer.from(content),
      }),
    ),
  ];
}

/** Writes entries as a `.tar.xz`. */
export async function writeXz(file: string, entries: readonly TarInput[]): Promise<void> {
  const xz = spawn('xz', ['-1'], { stdio: ['pipe', 'pipe', 'inherit'] });
  await Promise.all([pipeline(writeTar(entries, 0), xz.stdin), pipeline(xz.stdout, createWriteStream(file))]);
}
