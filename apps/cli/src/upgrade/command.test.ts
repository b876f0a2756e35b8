import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sally } from '../testing/run.ts';

test('a checkout is not upgraded, and the hint says how', async () => {
  const { code, err } = await sally(undefined, ['upgrade']);
  assert.equal(code, 1);
  assert.match(err, /was not installed by the script of a controller/);
  assert.match(err, /apt/);
});

test('a wrong version or time is refused before anything happens', async () => {
  for (const [args, text] of [
    [['--to', 'latest'], /--to latest is no version/],
    [['--to', '../1.0.0'], /is no version/],
    [['--patience', '1'], /--patience 1 is no number of seconds/],
    [['--patience', '1e3'], /--patience 1e3/],
  ] as const) {
    const { code, err } = await sally(undefined, ['upgrade', ...args]);
    assert.equal(code, 2, err);
    assert.match(err, text);
  }
});
