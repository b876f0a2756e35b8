import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { OperatorError } from '../errors.ts';

/**
 * Reads the master key: 64 hexadecimal digits in a file. Made on first use where `mayCreate`; a key that the operator
 * named and that is not there is a mistake, not a wish for a new one.
 */
export function loadMasterKey(file: string, mayCreate: boolean): Buffer {
  if (!existsSync(file)) {
    if (!mayCreate) throw new OperatorError(`SALLYPORT_MASTER_KEY_FILE: there is no file ${file}`);
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    writeFileSync(file, `${randomBytes(32).toString('hex')}\n`, { mode: 0o600, flag: 'wx', flush: true });
  }
  const text = readFileSync(file, 'utf8').trim();
  if (!/^[0-9a-fA-F]{64}$/.test(text))
    throw new OperatorError(`${file} must hold 64 hexadecimal digits, a key of 32 bytes`);
  return Buffer.from(text, 'hex');
}
