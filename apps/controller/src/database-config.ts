import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { type PostgresPlaces, parseDatabaseUrl } from './db/postgres/place.ts';
import { OperatorError } from './errors.ts';
import { attempt } from './system-error.ts';

const urlSetting = 'SALLYPORT_DATABASE_URL';
const caSetting = 'SALLYPORT_DATABASE_CA_FILE';

/** Schema of SALLYPORT_DATABASE_URL. Its messages never repeat the text, which holds a password. */
export const databaseUrl = z.string().superRefine((text, context) => {
  const places = parseDatabaseUrl(text, null);
  if (typeof places === 'string') context.addIssue(places);
});

/** What of the settings belongs to the database. */
export interface DatabaseSettings {
  readonly url: string | undefined;
  readonly caFile: string | undefined;
  readonly masterKeyFile: string | undefined;
}

/** Returns where the PostgreSQL database is; null: the embedded one is used. Throws OperatorError. */
export function databaseOf({ url, caFile, masterKeyFile }: DatabaseSettings): PostgresPlaces | null {
  if (url === undefined && caFile !== undefined)
    throw new OperatorError(`${caSetting} has no effect without ${urlSetting}`);
  if (url === undefined) return null;
  if (masterKeyFile === undefined)
    throw new OperatorError(
      `${urlSetting} needs SALLYPORT_MASTER_KEY_FILE: the key must be the same wherever the controller runs, so it is not made in the data directory. Make one with: openssl rand -hex 32`,
    );
  const places = parseDatabaseUrl(url, caFile === undefined ? null : authorities(caFile));
  if (typeof places === 'string') throw new OperatorError(`${urlSetting} ${places}`);
  return places;
}

/** Returns whether several controllers may use the database at once. Throws OperatorError. */
export function severalOf(text: 'true' | 'false', url: string | undefined): boolean {
  if (text === 'true' && url === undefined)
    throw new OperatorError(
      `SALLYPORT_SEVERAL_CONTROLLERS needs ${urlSetting}: an embedded database belongs to one process`,
    );
  return text === 'true';
}

function authorities(file: string): string {
  const pem = attempt(`${caSetting}: ${file} cannot be read`, () => readFileSync(file, 'latin1'));
  try {
    new X509Certificate(pem);
  } catch {
    throw new OperatorError(`${caSetting}: ${file} holds no certificate in PEM`);
  }
  return pem;
}
