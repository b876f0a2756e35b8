import assert from 'node:assert/strict';
import { MmdbError, MmdbReader } from '../../apps/controller/src/mmdb.ts';
import { countryDatabase } from '../../apps/controller/src/testing/country-database.ts';
import { below, bytes, pick, size, spoiltBytes } from './mutate.ts';

/** Name of the target. */
export const name = 'mmdb';

/** Feeds a country database of the operator, with look-ups of some addresses. */
export function target(random: () => number): void {
  const prefix = () => `${below(random, 224)}.${below(random, 256)}.${below(random, 256)}.0/${8 + below(random, 17)}`;
  const prefixes = Array.from({ length: size(random, 60) }, prefix);
  const valid = countryDatabase(Object.fromEntries(prefixes.map((each) => [each, pick(random, ['CH', 'DE', 'x'])])), {
    recordBits: pick(random, [24, 28, 32] as const),
    ipVersion: pick(random, [4, 6] as const),
  });
  const file = random() < 0.05 ? bytes(random, size(random, 500)) : spoiltBytes(random, valid);
  try {
    const reader = new MmdbReader(file);
    for (const ip of [...prefixes.slice(0, 20).map((each) => each.split('/')[0] ?? ''), '2001:db8::1', 'x'])
      ask(reader, ip);
  } catch (error) {
    if (!(error instanceof MmdbError)) throw error;
  }
}

function ask(reader: MmdbReader, ip: string): void {
  try {
    const text = reader.text(ip, ['country', 'iso_code']);
    assert.ok(text === null || text.length <= 1_000);
  } catch (error) {
    if (!(error instanceof MmdbError)) throw error;
  }
}
