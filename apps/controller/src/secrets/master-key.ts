import { closeSync, existsSync, fsyncSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { OperatorError } from '../errors.ts';
import { attempt } from '../system-error.ts';

/** Reads a master key: 64 hexadecimal digits in a file. Throws OperatorError. */
export function readMasterKey(file: string): Buffer {
  if (!existsSync(file)) throw new OperatorError(`SALLYPORT_MASTER_KEY_FILE: there is no file ${file}`);
  const text = attempt(`SALLYPORT_MASTER_KEY_FILE: ${file} cannot be read`, () => readFileSync(file, 'utf8')).trim();
  if (!/^[0-9a-fA-F]{64}$/.test(text))
    throw new OperatorError(`SALLYPORT_MASTER_KEY_FILE: ${file} must hold 64 hexadecimal digits, a key of 32 bytes`);
  return Buffer.from(text, 'hex');
}

/** Writes a key durably for its owner only, replacing any other, and returns it. */
export function writeMasterKey(file: string, key: Buffer): Buffer {
  attempt(`${file} cannot be written`, () => {
    rmSync(file, { force: true });
    writeFileSync(file, `${key.toString('hex')}\n`, { mode: 0o600, flag: 'wx', flush: true });
  });
  return key;
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
