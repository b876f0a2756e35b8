import {
  closeSync,
  existsSync,
  fsyncSync,
  openSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { OperatorError } from '../errors.ts';
import { attempt } from '../system-error.ts';

/** The master keys of an installation: the one in use, and while it is being replaced the one from before. */
export type MasterKeys = readonly [current: Buffer, ...earlier: Buffer[]];

/**
 * Reads the master keys: 64 hexadecimal digits in a file, and in a second line the key from before while it is being
 * replaced. Throws OperatorError.
 */
export function readMasterKeys(file: string): MasterKeys {
  if (!existsSync(file)) throw new OperatorError(`SALLYPORT_MASTER_KEY_FILE: there is no file ${file}`);
  const text = attempt(`SALLYPORT_MASTER_KEY_FILE: ${file} cannot be read`, () => readFileSync(file, 'utf8')).trim();
  const lines = text.split(/\s*\n\s*/);
  const [current, ...earlier] = lines.map((line) => Buffer.from(line, 'hex'));
  if (current === undefined || lines.length > 2 || !lines.every((line) => /^[0-9a-fA-F]{64}$/.test(line)))
    throw new OperatorError(
      `SALLYPORT_MASTER_KEY_FILE: ${file} must hold 64 hexadecimal digits, a key of 32 bytes, and in a second line at most the key from before`,
    );
  if (earlier.some((key) => key.equals(current)))
    throw new OperatorError(`SALLYPORT_MASTER_KEY_FILE: ${file} holds the same key twice`);
  return [current, ...earlier];
}

/** Writes a key durably for its owner only, replacing any other, and returns it. */
export function writeMasterKey(file: string, key: Buffer): Buffer {
  attempt(`${file} cannot be written`, () => {
    rmSync(file, { force: true });
    writeFileSync(file, textOf([key]), { mode: 0o600, flag: 'wx', flush: true });
  });
  return key;
}

/** Replaces the content of a key file in one step: at every moment the file holds the old keys or the new ones. */
export function replaceMasterKeys(file: string, keys: MasterKeys): void {
  const target = existsSync(file) ? realpathSync(file) : file;
  const beside = `${target}.partial`;
  attempt(`${file} cannot be replaced`, () => {
    rmSync(beside, { force: true });
    writeFileSync(beside, textOf(keys), { mode: 0o600, flag: 'wx', flush: true });
    renameSync(beside, target);
    syncDirectory(dirname(target));
  });
}

/** Makes names in a directory durable. */
export function syncDirectory(path: string): void {
  const descriptor = openSync(path, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

const textOf = (keys: readonly Buffer[]): string => keys.map((key) => `${key.toString('hex')}\n`).join('');
