import { createWriteStream, existsSync } from 'node:fs';
import { copyFile, mkdir, readdir, readFile, rm } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import * as https from 'node:https';
import { join } from 'node:path';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { isLoopbackHost } from '@sallyport/contract';
import { http } from '@sallyport/program/http';
import {
  chooseArchive,
  maxArchiveBytes,
  maxSumsBytes,
  parseReleaseKeys,
  processors,
  ReleaseError,
  signatureFile,
  sumsFile,
  unpackRelease,
  verifyRelease,
} from '@sallyport/release';
import { exitCodes, Failure } from '../failure.ts';
import { trustOf } from '../tls-trust.ts';
import { type Layout, versionFolder } from './layout.ts';
import { holderText, livingProcess } from './processes.ts';

/** Where a release comes from: a folder of this host, or the `/install` pages of a controller. */
export type Source =
  | { readonly kind: 'folder'; readonly folder: string }
  | { readonly kind: 'controller'; readonly url: string; readonly ca: string | undefined };

/** Which release is wanted. */
export interface Wanted {
  readonly source: Source;
  /** File with the public keys that may sign. */
  readonly keyFile: string;
  /** The only version that is accepted; any newer one when absent. */
  readonly version: string | undefined;
  /** Version that is used now. */
  readonly newerThan: string;
}

/** A release that may be installed: its sums are signed, and it is newer. */
export interface Offer {
  readonly version: string;
  readonly archive: string;
}

/** Reads which release the source has. Throws a Failure when it is not signed by a known key, or not newer. */
export async function readOffer(wanted: Wanted): Promise<Offer> {
  const [sums, signature] = await Promise.all([
    readSmall(wanted.source, sumsFile, maxSumsBytes),
    readSmall(wanted.source, signatureFile, 64),
  ]);
  const request = await requestOf(wanted);
  return inWords(() => {
    const { name, version } = chooseArchive(sums, signature, request);
    return { version, archive: name };
  });
}

/**
 * Brings the version of an offer to this host: downloads, checks signature and sum, and unpacks. Does nothing when its
 * folder exists. What an ended process left behind is removed. `verifying` is called after the download.
 */
export async function bringVersion(
  layout: Layout,
  wanted: Wanted,
  offer: Offer,
  verifying: () => Promise<void> = async () => undefined,
): Promise<void> {
  await removeLeftovers(layout);
  const target = versionFolder(layout, offer.version);
  if (existsSync(target)) return;
  const work = join(layout.home, `.upgrade-${(await holderText(process.pid))?.replace(' ', '-')}`);
  await mkdir(work, { mode: 0o700 });
  try {
    for (const [name, most] of [
      [sumsFile, maxSumsBytes],
      [signatureFile, 64],
      [offer.archive, maxArchiveBytes],
    ] as const)
      await bring(wanted.source, name, join(work, name), most);
    await verifying();
    const request = { ...(await requestOf(wanted)), folder: work, version: offer.version };
    await inWords(async () => unpackRelease(await verifyRelease(request), target));
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

async function requestOf({ keyFile, version, newerThan }: Wanted) {
  const text = await readFile(keyFile, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new Failure(exitCodes.failed, `The public release key ${keyFile} cannot be read (${error.code})`, {
      hint: 'The install script puts it there. Name another file with --release-key FILE.',
    });
  });
  const processor = processors[process.arch];
  if (processor === undefined) throw new Failure(exitCodes.failed, `There is no release for ${process.arch}`);
  return {
    keys: inWords(() => parseReleaseKeys(text)),
    processor,
    newerThan,
    ...(version !== undefined && { version }),
  };
}

/** Turns a refusal of the release into a Failure, for synchronous and asynchronous work. */
function inWords<T>(work: () => T): T {
  try {
    const result = work();
    return result instanceof Promise ? (result.catch(refuse) as T) : result;
  } catch (error) {
    return refuse(error);
  }
}

function refuse(error: unknown): never {
  if (!(error instanceof ReleaseError)) throw error;
  throw new Failure(exitCodes.failed, `The release is refused: ${error.message}`);
}

async function removeLeftovers({ home }: Layout): Promise<void> {
  for (const name of await readdir(home)) {
    const match = /^\.upgrade-(\d+)-(\d+)$/.exec(name);
    if (match !== null && (await livingProcess(`${match[1]} ${match[2]}`)) === null)
      await rm(join(home, name), { recursive: true, force: true });
  }
}

async function readSmall(source: Source, name: string, most: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  if (source.kind === 'folder') {
    return readFile(join(source.folder, name)).catch((error: NodeJS.ErrnoException) => {
      throw new Failure(exitCodes.failed, `${join(source.folder, name)} cannot be read (${error.code})`);
    });
  }
  const answer = await get(source, name);
  for await (const chunk of limited(answer, name, most)) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

async function bring(source: Source, name: string, file: string, most: number): Promise<void> {
  try {
    if (source.kind === 'folder') return await copyFile(join(source.folder, name), file);
    await pipeline(limited(await get(source, name), name, most), createWriteStream(file, { flags: 'wx', mode: 0o600 }));
  } catch (error) {
    if (error instanceof Failure) throw error;
    const { code, message } = error as NodeJS.ErrnoException;
    const full = code === 'ENOSPC' || code === 'EDQUOT';
    throw new Failure(
      exitCodes.failed,
      full ? `The disk of ${file} is full` : `${name} could not be brought: ${message}`,
    );
  }
}

/** Passes on at most `most` bytes, and fails when the answer is cut. */
function limited(answer: IncomingMessage, name: string, most: number): NodeJS.ReadableStream {
  let left = most;
  const limit = new Transform({
    transform(chunk: Buffer, _, done) {
      left -= chunk.length;
      done(left < 0 ? new Failure(exitCodes.failed, `${name} is larger than ${most} bytes`) : null, chunk);
    },
  });
  answer.once('error', () => limit.destroy(new Failure(exitCodes.unreachable, `The download of ${name} broke off`)));
  // A download that is given up must not hold the process until its connection is idle for long enough.
  limit.once('close', () => answer.destroy());
  return answer.pipe(limit);
}

async function get(source: Extract<Source, { kind: 'controller' }>, name: string): Promise<IncomingMessage> {
  const url = new URL(`${source.url.replace(/\/$/, '')}/install/${name}`);
  if (url.protocol !== 'https:' && !isLoopbackHost(url.hostname))
    throw new Failure(exitCodes.usage, `Programs are not taken from ${url.origin}, because it is not https://`);
  const answer = await new Promise<IncomingMessage>((resolve, reject) => {
    const options = { agent: false, headers: { 'accept-encoding': 'identity' } };
    const trust = source.ca === undefined ? {} : trustOf(source.ca);
    const request =
      url.protocol === 'https:' ? https.get(url, { ...options, ...trust }, resolve) : http.get(url, options, resolve);
    request.setTimeout(idleMs, () => request.destroy(new Error('no answer in time')));
    request.once('error', (error) =>
      reject(new Failure(exitCodes.unreachable, `Cannot reach the controller at ${url.origin}: ${error.message}`)),
    );
  });
  if (answer.statusCode === 200) return answer;
  answer.destroy();
  throw new Failure(exitCodes.failed, `${url.href} answered HTTP ${answer.statusCode}`, {
    hint: 'Open CONTROLLER/install in a browser: it says what the controller offers, or why it offers nothing.',
  });
}

/** Longest silence of a download, milliseconds. */
const idleMs = 60_000;
