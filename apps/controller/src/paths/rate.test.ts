import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RequestRate } from './rate.ts';

test('a key passes once per interval, an owner at a bounded rate, and memory is bounded', () => {
  const rate = new RequestRate({ everyMs: 1000, burst: 3, perSecond: 1, remembered: 4 });
  assert.deepEqual(
    [rate.admits('a', 'x', 0), rate.admits('a', 'x', 999), rate.admits('b', 'x', 0)],
    [true, false, true],
  );
  assert.ok(rate.admits('a', 'x', 1000));
  assert.deepEqual(
    ['p', 'q', 'r', 's'].map((key) => rate.admits('a', key, 1000)),
    [true, true, false, false],
  );
  assert.ok(rate.admits('a', 's', 2000));
  for (let n = 0; n < 10; n++) assert.ok(rate.admits(`owner ${n}`, 'x', 2000));
  assert.ok(rate.admits('a', 's', 2000), 'forgotten meanwhile');
});
