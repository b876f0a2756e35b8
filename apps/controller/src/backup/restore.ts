import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { connect } from 'node:net';
import { dirname, join, resolve } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { restoreMarker } from '../data-directory.ts';
import { OperatorError } from '../errors.ts';
import { readMasterKeys, syncDirectory } from '../secrets/master-key.ts';
import { attempt } from '../system-error.ts';
import type { Pieces } from './bytes.ts';
import type { AskPassphrase } from './container.ts';
import { type Contents, stage } from './stage.ts';

/** Options of a restore. */
export interface RestoreOptions {
  readonly dataDir: string;
  /** Where the controller looks for its key; null: in the data directory. */
  readonly masterKeyFile: string | null;
  readonly replace: boolean;
  readonly now: Date;
}

/** The result of a restore. */
export interface Restored {
  readonly contents: Contents;
  /** Folder with the files of the replaced installation; null without one. */
  readonly aside: string | null;
}

/** Files of an installation. */
const owned = [
  'sallyport.db',
  'sallyport.db-wal',
  'sallyport.db-shm',
  'sallyport.db-journal',
  'master.key',
  'master.key.new',
  'gateway',
];

/**
 * Unpacks and checks a backup beside the installation, and only then puts its files in place. A marker stands in the data
 * directory while files are moved; no controller starts before a restore has ended. Throws OperatorError.
 */
export async function restore(file: Pieces, options: RestoreOptions, ask: AskPassphrase): Promise<Restored> {
  const dataDir = resolve(options.dataDir);
  attempt(`the data directory ${dataDir} cannot be made`, () => mkdirSync(dataDir, { recursive: true, mode: 0o700 }));
  const unlock = await lock(dataDir);
  removeStaged(dataDir);
  const staged = join(dataDir, `restore-${randomBytes(4).toString('hex')}.partial`);
  try {
    checkFree({ ...options, dataDir });
    attempt(`${staged} cannot be made`, () => mkdirSync(staged, { mode: 0o700 }));
    const contents = await stage(file, staged, ask);
    checkKeyFile(options, staged);
    const aside = attempt(`the files in ${dataDir} cannot be put in place`, () => putInPlace(dataDir, staged, options));
    return { contents, aside };
  } finally {
    attempt(`${staged} cannot be removed`, () => rmSync(staged, { recursive: true, force: true }));
    unlock();
  }
}

/** Removes the files of a restore that was killed. */
function removeStaged(dataDir: string): void {
  for (const name of readdirSync(dataDir))
    if (/^restore-[0-9a-f]+\.partial$/.test(name)) rmSync(join(dataDir, name), { recursive: true, force: true });
}

function checkFree({ dataDir, replace }: RestoreOptions): void {
  if (replace || ![...owned, restoreMarker].some((name) => existsSync(join(dataDir, name)))) return;
  throw new OperatorError(
    `there is an installation in ${dataDir} already: add --replace to move it aside, or name another directory with --data-dir`,
  );
}

/** A key elsewhere is not moved: it may serve other installations. */
function checkKeyFile({ masterKeyFile }: RestoreOptions, staged: string): void {
  if (masterKeyFile === null || !existsSync(masterKeyFile)) return;
  // While the key is being replaced, the file also holds the one from before.
  const held = readMasterKeys(masterKeyFile);
  if (!readMasterKeys(join(staged, 'master.key')).every((key) => held.some((other) => other.equals(key))))
    throw new OperatorError(
      `${masterKeyFile} (SALLYPORT_MASTER_KEY_FILE) holds another key than the backup: move it away, or name another file`,
    );
}

function putInPlace(dataDir: string, staged: string, { masterKeyFile, now }: RestoreOptions): string | null {
  const stamp = now.toISOString().replace(/[:.]/g, '-');
  writeFileSync(join(dataDir, restoreMarker), `${stamp}\n`, { mode: 0o600, flush: true });
  syncDirectory(dataDir);
  const present = owned.filter((name) => existsSync(join(dataDir, name)));
  const aside = present.length === 0 ? null : join(dataDir, `before-restore-${stamp}`);
  if (aside !== null) {
    mkdirSync(aside, { recursive: true, mode: 0o700 });
    for (const name of present) renameSync(join(dataDir, name), join(aside, name));
    keepHostSettings(join(aside, 'gateway'), join(staged, 'gateway'));
    syncDirectory(aside);
  }
  if (masterKeyFile !== null) placeKey(join(staged, 'master.key'), masterKeyFile);
  giveAway(staged, dataDir);
  for (const name of readdirSync(staged)) renameSync(join(staged, name), join(dataDir, name));
  syncDirectory(dataDir);
  rmSync(join(dataDir, restoreMarker));
  syncDirectory(dataDir);
  return aside;
}

/** Keeps the note of host settings that the gateway changed, so that they can be undone after any restore. */
function keepHostSettings(from: string, to: string): void {
  if (!existsSync(join(from, 'host.json'))) return;
  mkdirSync(to, { recursive: true, mode: 0o700 });
  copyFileSync(join(from, 'host.json'), join(to, 'host.json'));
}

function placeKey(staged: string, file: string): void {
  if (!existsSync(file)) {
    copyFileSync(staged, file);
    chmodSync(file, 0o600);
    syncDirectory(dirname(resolve(file)));
  }
  rmSync(staged);
}

/** Gives the files to the owner of the data directory, because root may restore for that user. */
function giveAway(folder: string, dataDir: string): void {
  const { uid, gid } = statSync(dataDir);
  if (statSync(folder).uid === uid) return;
  for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' }))
    chownSync(join(folder, name), uid, gid);
}

/** Ensures that no controller runs, and that none starts until the database is moved away. */
async function lock(dataDir: string): Promise<() => void> {
  const running = new OperatorError(`a controller uses ${dataDir}: stop it first`);
  if (await answers(join(dataDir, 'operator.sock'))) throw running;
  const file = join(dataDir, 'sallyport.db');
  if (!existsSync(file)) return () => undefined;
  let database: DatabaseSync | null = null;
  try {
    database = new DatabaseSync(file);
    database.exec('PRAGMA locking_mode = EXCLUSIVE');
    database.exec('BEGIN EXCLUSIVE');
  } catch (error) {
    const busy = error instanceof Error && 'errcode' in error && (Number(error.errcode) & 0xff) === 5;
    // A damaged database is what a restore may be for.
    if (busy) throw running;
  }
  return () => database?.close();
}

function answers(socketPath: string): Promise<boolean> {
  return new Promise((done) => {
    const socket = connect(socketPath);
    const end = (answered: boolean): void => {
      socket.destroy();
      done(answered);
    };
    socket.once('connect', () => end(true));
    socket.once('error', () => end(false));
  });
}
