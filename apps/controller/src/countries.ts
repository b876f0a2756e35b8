import { readFileSync } from 'node:fs';
import { OperatorError } from './errors.ts';
import { MmdbReader } from './mmdb.ts';

/** Country of IP addresses, by a database file of the operator. */
export interface Countries {
  /** Whether there is a database; without one every country is unknown. */
  readonly known: boolean;
  /** ISO 3166-1 code of two letters, or null: not in the database, or no IP address. */
  of(ip: string): string | null;
}

/** Countries without a database: every address is in an unknown one. */
export const noCountries: Countries = { known: false, of: () => null };

/**
 * Reads a database in MaxMind's DB format, in which a record's `country.iso_code` says the country. It is read once. Throws
 * OperatorError when the file cannot be read or is none. The country of an address whose record is malformed is unknown;
 * the first such record is told to `malformed`, with the address.
 */
export function openCountries(file: string | null, malformed: (error: Error, ip: string) => void): Countries {
  if (file === null) return noCountries;
  const reader = readerOf(file);
  let told = false;
  const of = (ip: string): string | null => {
    try {
      const code = reader.text(ip, ['country', 'iso_code']);
      return code !== null && /^[A-Z]{2}$/.test(code) ? code : null;
    } catch (error) {
      if (!told) malformed(error as Error, ip);
      told = true;
      return null;
    }
  };
  return { known: true, of };
}

function readerOf(file: string): MmdbReader {
  const setting = 'SALLYPORT_COUNTRY_DATABASE_FILE';
  let content: Buffer;
  try {
    content = readFileSync(file);
  } catch (error) {
    const { code = 'unknown' } = error as NodeJS.ErrnoException;
    throw new OperatorError(`${setting}: ${file} cannot be read (${code})`);
  }
  try {
    return new MmdbReader(content);
  } catch {
    throw new OperatorError(`${setting}: ${file} is not an IP database in the MaxMind DB format (.mmdb)`);
  }
}
