import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compareVersions, isVersion } from './versions.ts';

const ascending = [
  'not a version',
  '0.1.0',
  '0.2.0-alpha',
  '0.2.0-alpha.1',
  '0.2.0-alpha.2',
  '0.2.0-alpha.10',
  '0.2.0-alpha.beta',
  '0.2.0-rc.1',
  '0.2.0',
  '0.10.0',
  '1.0.0',
];

test('versions have the order of Semantic Versioning, and other texts are the oldest', () => {
  for (const [i, a] of ascending.entries())
    for (const [j, b] of ascending.entries())
      assert.equal(Math.sign(compareVersions(a, b)), Math.sign(i - j), `${a} ${b}`);
  assert.equal(compareVersions('1.0.0+one', '1.0.0+two'), 0);
});

test('a text that is not a version is recognized', () => {
  for (const text of ['', '1', '1.0', 'v1.0.0', '1.0.0-', '1.0.0/../x', `1.0.0-${'a'.repeat(100)}`, '1.0.0\n'])
    assert.equal(isVersion(text), false, text);
  assert.equal(isVersion('0.2.0-rc.1'), true);
});
