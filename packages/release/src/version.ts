import { ReleaseError } from './error.ts';

/** Processor that an archive is for, by its name in Debian. */
export type Processor = 'amd64' | 'arm64';

/** Processors by their names in Node.js (`process.arch`). */
export const processors: Readonly<Partial<Record<string, Processor>>> = { x64: 'amd64', arm64: 'arm64' };

const pattern = /^(0|[1-9]\d{0,5})\.(0|[1-9]\d{0,5})\.(0|[1-9]\d{0,5})$/;

/** Whether a text is a version of Sallyport: three numbers. */
export const isVersion = (text: string): boolean => pattern.test(text);

/** Returns a negative number when version `a` is older than `b`, 0 when they are equal. Throws for anything else. */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [numbersOf(a), numbersOf(b)];
  const at = left.findIndex((number, index) => number !== right[index]);
  return at < 0 ? 0 : (left[at] ?? 0) - (right[at] ?? 0);
}

function numbersOf(version: string): number[] {
  const found = pattern.exec(version);
  if (found === null) throw new ReleaseError('bad_sums', `${JSON.stringify(version)} is no version such as 1.2.3`);
  return found.slice(1).map(Number);
}

/** Returns the name of the one folder in an archive. */
export const folderName = (version: string, processor: Processor): string => `sallyport-${version}-linux-${processor}`;

/** Returns the file name of an archive. */
export const archiveName = (version: string, processor: Processor): string =>
  `${folderName(version, processor)}.tar.xz`;

/** Reads the name of an archive; null for every other file. */
export function parseArchiveName(name: string): { version: string; processor: Processor } | null {
  const [, version = '', processor] = /^sallyport-([\d.]+)-linux-(amd64|arm64)\.tar\.xz$/.exec(name) ?? [];
  return processor !== undefined && isVersion(version) ? { version, processor: processor as Processor } : null;
}
