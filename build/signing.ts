import { createPublicKey, type KeyObject } from 'node:crypto';
import { readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  formatSums,
  oneLineOf,
  parsePrivateKey,
  parseReleaseKeys,
  releaseKeyFile,
  signatureFile,
  signSums,
  sumsFile,
} from '@sallyport/release';
import { sha256Of } from './archive.ts';

/** Reads a private release key. Refuses a file that others can read. */
export function readSigningKey(file: string): KeyObject {
  if ((statSync(file).mode & 0o077) !== 0) throw new Error(`others can read ${file}: chmod 600 ${file}`);
  return parsePrivateKey(readFileSync(file, 'utf8'));
}

/** Returns the public keys that a package trusts, in PEM: that of the signing key first. Empty without any. */
export function trustedKeys(signingKey: KeyObject | null, file: string | null): string {
  const named = file === null ? [] : parseReleaseKeys(readFileSync(file, 'utf8'));
  const all = signingKey === null ? named : [createPublicKey(signingKey), ...named];
  const known = new Map(all.map((key) => [oneLineOf(key), key]));
  return [...known.values()].map((key) => key.export({ type: 'spki', format: 'pem' })).join('');
}

/** Writes `SHA256SUMS` of the named files of a folder, and its signature. Without a key an old signature is removed. */
export async function writeSums(out: string, names: readonly string[], key: KeyObject | null, trusted: string) {
  const sums = new Map<string, string>();
  for (const name of names) sums.set(name, await sha256Of(join(out, name)));
  const text = Buffer.from(formatSums(sums));
  for (const name of [signatureFile, releaseKeyFile]) rmSync(join(out, name), { force: true });
  writeFileSync(join(out, sumsFile), text);
  const written = [sumsFile];
  if (trusted !== '') written.push(writeInto(out, releaseKeyFile, trusted));
  if (key !== null) written.push(writeInto(out, signatureFile, signSums(text, key)));
  return written;
}

function writeInto(out: string, name: string, content: string | Buffer): string {
  writeFileSync(join(out, name), content);
  return name;
}
