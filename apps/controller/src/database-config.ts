import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { type PostgresPlaces, parseDatabaseUrl } from './db/postgres/place.ts';
import { OperatorError } from './errors.ts';
import { attempt } from './system-error.ts';

const urlSetting = 'SALLYPORT_DATABASE_URL';
const directSetting = 'SALLYPORT_DATABASE_DIRECT_URL';
const caSetting = 'SALLYPORT_DATABASE_CA_FILE';

/** Schema of SALLYPORT_DATABASE_URL and SALLYPORT_DATABASE_DIRECT_URL. Its messages never repeat the text, which holds a password. */
export const databaseUrl = z.string().superRefine((text, context) => {
  const places = parseDatabaseUrl(text, null);
  if (typeof places === 'string') context.addIssue(places);
});

/** What of the settings belongs to the database. */
export interface DatabaseSettings {
  readonly SALLYPORT_DATABASE_URL?: string | undefined;
  /** Leads around a pooler that the other URL leads to. */
  readonly SALLYPORT_DATABASE_DIRECT_URL?: string | undefined;
  readonly SALLYPORT_DATABASE_CA_FILE?: string | undefined;
  readonly SALLYPORT_MASTER_KEY_FILE?: string | undefined;
}

/** Returns where the PostgreSQL database is; null: the embedded one is used. Throws OperatorError. */
export function databaseOf(settings: DatabaseSettings): PostgresPlaces | null {
  const { [urlSetting]: url, [directSetting]: directUrl, [caSetting]: caFile } = settings;
  const [idle] = Object.entries({ [directSetting]: directUrl, [caSetting]: caFile }).filter(([, value]) => value);
  if (url === undefined && idle !== undefined)
    throw new OperatorError(`${idle[0]} has no effect without ${urlSetting}`);
  if (url === undefined) return null;
  if (settings.SALLYPORT_MASTER_KEY_FILE === undefined)
    throw new OperatorError(
      `${urlSetting} needs SALLYPORT_MASTER_KEY_FILE: the key must be the same wherever the controller runs, so it is not made in the data directory. Make one with: openssl rand -hex 32`,
    );
  const ca = caFile === undefined ? null : authorities(caFile);
  return directUrl === undefined ? placesOf(urlSetting, url, ca) : pooledPlaces(url, directUrl, ca);
}

function pooledPlaces(url: string, directUrl: string, ca: string | null): PostgresPlaces {
  // One of the two may be on this host, where certificates are of no use.
  const plain = [url, directUrl].map((text) => parseDatabaseUrl(text, null));
  const [poolerCa, directCa] = plain.map((found) => (isSecured(found) ? ca : null));
  const [pooler, ...others] = placesOf(urlSetting, url, poolerCa ?? null);
  if (others.length > 0)
    throw new OperatorError(`${urlSetting} names several servers: with ${directSetting} it names one pooler`);
  if (ca !== null && !plain.some(isSecured))
    throw new OperatorError(`${urlSetting} and ${directSetting} are without TLS, but ${caSetting} is set`);
  const [first, ...standbys] = placesOf(directSetting, directUrl, directCa ?? null);
  return [{ ...first, pooler }, ...standbys.map((place) => ({ ...place, pooler }))];
}

const isSecured = (places: PostgresPlaces | string): boolean =>
  typeof places !== 'string' && places.some(({ tls }) => tls !== null);

function placesOf(setting: string, url: string, ca: string | null): PostgresPlaces {
  const places = parseDatabaseUrl(url, ca);
  if (typeof places === 'string') throw new OperatorError(`${setting} ${places}`);
  return places;
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
