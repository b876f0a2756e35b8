import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fewRandomBytes } from './random.ts';

test('random bytes are never given twice and never left out', () => {
  const seen = new Set<string>();
  const totals = new Uint32Array(32);
  for (let n = 0; n < 5_000; n++) {
    const bytes = fewRandomBytes(n % 2 === 0 ? 12 : 32);
    assert.equal(bytes.length, n % 2 === 0 ? 12 : 32);
    seen.add(bytes.toString('hex', 0, 12));
    for (const [at, byte] of bytes.entries()) totals[at] = (totals[at] ?? 0) + byte;
  }
  assert.equal(seen.size, 5_000);
  // A place that is not filled would stay far below. A mean of 2,500 random bytes lies below 100 in no run that will ever be made.
  for (const [at, total] of totals.entries()) assert.ok(total / (at < 12 ? 5_000 : 2_500) > 100, `byte ${at}`);
});

test('random bytes that were given do not change when others are drawn', () => {
  const bytes = fewRandomBytes(32);
  const copy = Buffer.from(bytes);
  for (let n = 0; n < 200; n++) fewRandomBytes(32).fill(0);
  assert.deepEqual(bytes, copy);
});

test('more random bytes than a few are refused, not cut', () => {
  assert.throws(() => fewRandomBytes(65), RangeError);
});
