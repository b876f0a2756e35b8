import { readFileSync } from 'node:fs';
import { parseAddress } from '@sallyport/contract';
import { Reader } from 'mmdb-lib';
import { OperatorError } from './errors.ts';

/** Country of IP addresses, by a database file of the operator. */
export interface Countries {
  /** Whether there is a database; without one every country is unknown. */
  readonly known: boolean;
  /** ISO 3166-1 code of two letters, or null: not in the database, or no IP address. */
  of(ip: string): string | null;
}

export const noCountries: Countries = { known: false, of: () => null };

/**
 * Reads a database in MaxMind's DB format, in which a record's `country.iso_code` says the country. It is read once. Throws
 * OperatorError when the file cannot be read or is none.
 */
export function openCountries(file: string | null): Countries {
  if (file === null) return noCountries;
  const reader = readerOf(file);
  return {
    known: true,
    of: (ip) => (parseAddress(ip) === null ? null : codeOf(reader.get(ip))),
  };
}

function readerOf(file: string): Reader<never> {
  const setting = 'SALLYPORT_COUNTRY_DATABASE_FILE';
  let content: Buffer;
  try {
    content = readFileSync(file);
  } catch (error) {
    const { code = 'unknown' } = error as NodeJS.ErrnoException;
    throw new OperatorError(`${setting}: ${file} cannot be read (${code})`);
  }
  try {
    const reader = new Reader<never>(content);
    // What is no database often shows only when it is asked.
    reader.get('192.0.2.1');
    return reader;
  } catch {
    throw new OperatorError(`${setting}: ${file} is not an IP database in the MaxMind DB format (.mmdb)`);
  }
}

/** Files of any maker are taken: what has no such field, or another kind of value there, says nothing. */
function codeOf(record: unknown): string | null {
  const code = (record as { country?: { iso_code?: unknown } } | null)?.country?.iso_code;
  return typeof code === 'string' && /^[A-Z]{2}$/.test(code) ? code : null;
}
