import assert from 'node:assert/strict';
import { test } from 'node:test';
import { version } from '@sallyport/program/place';
import { isOutdated } from './outdated.ts';

test('an agent is outdated when its version is older than the controller, or no version', () => {
  assert.equal(isOutdated('0.9.9', '0.10.0'), true);
  assert.equal(isOutdated('0.10.0', '0.10.0'), false);
  assert.equal(isOutdated('1.0.0', '0.10.0'), false);
  for (const text of ['', 'dev', '1.0', '1.0.0-x']) assert.equal(isOutdated(text, '0.1.0'), true, text);
  assert.equal(isOutdated(version), false);
});
