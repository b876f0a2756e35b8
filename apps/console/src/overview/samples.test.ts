import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ratesOf, record, type Sample, sampleMs } from './samples.ts';

const figures = { devicesOnline: 1, gatewaysOnline: 1, lag: 0 };
const sample = (at: number, bytes: number | null): Sample => ({ ...figures, at, bytes });

test('traffic is bytes per second between samples', () => {
  assert.deepEqual(ratesOf([sample(0, 1000), sample(10_000, 21_000), sample(20_000, 21_000)]), [2000, 0]);
});

test('a gateway that started again makes no negative traffic, and unknown counters make none', () => {
  assert.deepEqual(ratesOf([sample(0, 1000), sample(10_000, 10)]), [0]);
  assert.deepEqual(ratesOf([sample(0, null), sample(10_000, 10), sample(10_000, 20)]), []);
});

test('the samples are bounded, and figures that follow soon replace the last ones', () => {
  record({ ...figures, bytes: 0 }, 0);
  assert.equal(record({ ...figures, bytes: 5 }, 100).length, 1);
  for (let i = 1; i < 400; i++) record({ ...figures, bytes: i }, i * sampleMs);
  const all = record({ ...figures, bytes: 400 }, 400 * sampleMs);
  assert.equal(all.length, 180);
  assert.equal(all.at(-1)?.bytes, 400);
});
