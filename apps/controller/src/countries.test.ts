import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { noCountries, openCountries } from './countries.ts';
import { OperatorError } from './errors.ts';
import { countryDatabase } from './testing/country-database.ts';

const never = (error: Error) => assert.fail(error);

function fileOf(t: TestContext, content: Buffer | string): string {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-countries-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'countries.mmdb');
  writeFileSync(file, content);
  return file;
}

test('the country of an address is that of the longest prefix in the file, and unknown for all others', (t) => {
  const countries = openCountries(
    fileOf(t, countryDatabase({ '198.51.100.0/24': 'CH', '203.0.113.128/25': 'DE' })),
    never,
  );
  assert.equal(countries.known, true);
  assert.deepEqual(
    ['198.51.100.7', '203.0.113.200', '203.0.113.1', '10.0.0.1', '2001:db8::1', 'nonsense'].map(countries.of),
    ['CH', 'DE', null, null, null, null],
  );
});

test('records of 24, 28 and 32 bits and databases with IPv6 are read', (t) => {
  for (const recordBits of [24, 28, 32] as const) {
    for (const ipVersion of [4, 6] as const) {
      const content = countryDatabase({ '198.51.100.0/24': 'CH', '203.0.113.128/25': 'DE' }, { recordBits, ipVersion });
      const countries = openCountries(fileOf(t, content), never);
      assert.deepEqual(
        ['198.51.100.7', '203.0.113.200', '203.0.113.1', '::c633:6407', '2001:db8::1'].map(countries.of),
        ['CH', 'DE', null, ipVersion === 6 ? 'CH' : null, null],
        `${recordBits} bits, IPv${ipVersion}`,
      );
    }
  }
});

test('what is not a country code is not taken for one', (t) => {
  const countries = openCountries(fileOf(t, countryDatabase({ '198.51.100.0/24': 'Switzerland' })), never);
  assert.equal(countries.of('198.51.100.7'), null);
});

test('without a file every country is unknown', () => {
  assert.deepEqual(
    [openCountries(null, never), noCountries.known, noCountries.of('198.51.100.7')],
    [noCountries, false, null],
  );
});

test('a file that cannot be read, or is no database, is told by its setting and its name', (t) => {
  const refused = (file: string, reason: RegExp) =>
    assert.throws(
      () => openCountries(file, never),
      (error) => error instanceof OperatorError && reason.test(error.message),
    );
  refused(
    '/nowhere/countries.mmdb',
    /^SALLYPORT_COUNTRY_DATABASE_FILE: \/nowhere\/countries\.mmdb cannot be read \(ENOENT\)$/,
  );
  refused(fileOf(t, 'not a database'), /countries\.mmdb is not an IP database/);
  refused(fileOf(t, ''), /is not an IP database/);
});

/** A database whose only record, for 198.51.100.0/24, is these bytes. */
function withRecord(record: Buffer): Buffer {
  const file = countryDatabase({ '198.51.100.0/24': 'CH' });
  const data = file.indexOf(Buffer.from('country')) - 2;
  return Buffer.concat([file.subarray(0, data), record, file.subarray(file.indexOf(Buffer.from('abcdef', 'hex')))]);
}

/** Two bytes: the value at this place of the data, up to 2,047. */
const pointer = (to: number) => [0x20 | (to >> 8), to & 0xff];
const key = (text: string) => [0x40 | text.length, ...Buffer.from(text)];

test('a malformed record means that the country is unknown, tells so once, and costs little', (t) => {
  const nested = Array.from({ length: 3_000 }, () => [0xe1, ...key('country')]).flat();
  // Each list holds the next one fifteen times: 15^40 values for who follows all of them.
  const lists = Array.from({ length: 40 }, (_, n) => [
    0x0f,
    4,
    ...Array(15)
      .fill(pointer(2 + (n + 1) * 32))
      .flat(),
  ]).flat();
  const records: Record<string, number[]> = {
    'a record that points at itself': pointer(0),
    'two that point at each other': [...pointer(2), ...pointer(0)],
    'a value that points at itself': [0xe1, ...key('country'), ...pointer(9)],
    'a key that points at itself': [0xe1, ...pointer(1)],
    'a pointer out of the data': pointer(2_047),
    'maps within maps': nested,
    'lists that hold lists': [0xe2, ...key('a'), ...lists],
    'a map with millions of entries': [0xff, 0xff, 0xff, 0xff],
    'a list with millions of elements before it': [0xe2, ...key('a'), 0x1f, 4, 0xff, 0xff, 0xff, ...key('country')],
    'a text longer than the file': [0xe1, 0x5f, 0xff, 0xff, 0xff],
    'nothing at all': [],
    'a kind that does not exist': [0xe1, ...key('b'), 0x00, 0xf0],
  };
  for (const [what, bytes] of Object.entries(records)) {
    const told: string[] = [];
    const countries = openCountries(fileOf(t, withRecord(Buffer.from(bytes))), (_, ip) => told.push(ip));
    assert.deepEqual(['198.51.100.7', '198.51.100.8', '10.0.0.1'].map(countries.of), [null, null, null], what);
    assert.deepEqual(told, ['198.51.100.7'], what);
  }
});

test('a database that is cut off, or says what cannot be of itself, is refused', (t) => {
  const file = countryDatabase({ '198.51.100.0/24': 'CH' });
  const metadata = file.lastIndexOf(Buffer.from('MaxMind.com'));
  const changed = (name: string, value: number) => {
    const copy = Buffer.from(file);
    copy.writeUInt32BE(value, copy.indexOf(Buffer.from(name), metadata) + name.length + 1);
    return copy;
  };
  const files = [
    file.subarray(file.length - 200),
    file.subarray(0, file.length - 20),
    changed('node_count', 0),
    changed('node_count', 0xffffffff),
    changed('record_size', 23),
    changed('ip_version', 5),
    changed('binary_format_major_version', 1),
  ];
  for (const [n, broken] of files.entries())
    assert.throws(() => openCountries(fileOf(t, broken), never), OperatorError, `file ${n}`);
});
