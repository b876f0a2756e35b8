import type { KeyObject } from 'node:crypto';
import { ReleaseError } from './error.ts';
import { isSigned } from './key.ts';

/** File with the SHA-256 of every file of a release, as `sha256sum` writes it. */
export const sumsFile = 'SHA256SUMS';

/** File with the signature of `SHA256SUMS`: 64 bytes. */
export const signatureFile = 'SHA256SUMS.sig';

/** File with the public release keys, in PEM: beside the archives, and at the root of an installed package. */
export const releaseKeyFile = 'release-key.pem';

/** Longest `SHA256SUMS` that is read, in bytes. */
export const maxSumsBytes = 64 * 1024;

/** Returns the text of `SHA256SUMS`, in the order of the names. */
export function formatSums(sums: ReadonlyMap<string, string>): string {
  return [...sums]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, sum]) => `${sum}  ${name}\n`)
    .join('');
}

/** Checks the signature of `SHA256SUMS`, then reads it. Returns the sums by file name. */
export function readSignedSums(
  sums: Uint8Array,
  signature: Uint8Array,
  keys: readonly KeyObject[],
): ReadonlyMap<string, string> {
  if (sums.length > maxSumsBytes)
    throw new ReleaseError('too_large', `${sumsFile} is longer than ${maxSumsBytes} bytes`);
  if (!isSigned(sums, signature, keys))
    throw new ReleaseError('bad_signature', `${signatureFile} is no signature of ${sumsFile} by a known release key`);
  return parseSums(Buffer.from(sums).toString('utf8'));
}

const line = /^([0-9a-f]{64}) {2}([A-Za-z0-9][A-Za-z0-9._+~-]{0,199})$/;

/** Reads the text of `SHA256SUMS`. Throws for a line that is anything but a sum and a plain file name. */
export function parseSums(text: string): ReadonlyMap<string, string> {
  const sums = new Map<string, string>();
  const lines = text.split('\n');
  if (lines.pop() !== '' || lines.length === 0) throw new ReleaseError('bad_sums', `${sumsFile} is empty or cut`);
  for (const [index, content] of lines.entries()) {
    const [, sum, name] = line.exec(content) ?? [];
    if (sum === undefined || name === undefined || sums.has(name))
      throw new ReleaseError('bad_sums', `line ${index + 1} of ${sumsFile} is no sum of another file`);
    sums.set(name, sum);
  }
  return sums;
}
