import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { noCountries, openCountries } from './countries.ts';
import { OperatorError } from './errors.ts';
import { countryDatabase } from './testing/country-database.ts';

function fileOf(t: TestContext, content: Buffer | string): string {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-countries-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'countries.mmdb');
  writeFileSync(file, content);
  return file;
}

test('the country of an address is that of the longest prefix in the file, and unknown for all others', (t) => {
  const countries = openCountries(fileOf(t, countryDatabase({ '198.51.100.0/24': 'CH', '203.0.113.128/25': 'DE' })));
  assert.equal(countries.known, true);
  assert.deepEqual(
    ['198.51.100.7', '203.0.113.200', '203.0.113.1', '10.0.0.1', '2001:db8::1', 'nonsense'].map(countries.of),
    ['CH', 'DE', null, null, null, null],
  );
});

test('what is not a country code is not taken for one', (t) => {
  const countries = openCountries(fileOf(t, countryDatabase({ '198.51.100.0/24': 'Switzerland' })));
  assert.equal(countries.of('198.51.100.7'), null);
});

test('without a file every country is unknown', () => {
  assert.deepEqual(
    [openCountries(null), noCountries.known, noCountries.of('198.51.100.7')],
    [noCountries, false, null],
  );
});

test('a file that cannot be read, or is no database, is told by its setting and its name', (t) => {
  const refused = (file: string, reason: RegExp) =>
    assert.throws(
      () => openCountries(file),
      (error) => error instanceof OperatorError && reason.test(error.message),
    );
  refused(
    '/nowhere/countries.mmdb',
    /^SALLYPORT_COUNTRY_DATABASE_FILE: \/nowhere\/countries\.mmdb cannot be read \(ENOENT\)$/,
  );
  refused(fileOf(t, 'not a database'), /countries\.mmdb is not an IP database/);
  refused(fileOf(t, ''), /is not an IP database/);
});
