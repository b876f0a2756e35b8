import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nameRules } from './name-rules.ts';

test('the rules about names concern the range that the operator chose', () => {
  const overlay = { v4: '100.64.0.0/11', v6: 'fd00::/48' };
  const text = (names?: string) => JSON.stringify(nameRules((name) => name, 'sp0', { ...overlay, names }));
  assert.match(text(), /100\.96\.0\.0\/11/);
  assert.match(text('10.64.0.0/12'), /10\.64\.0\.0\/12/);
  assert.doesNotMatch(text('10.64.0.0/12'), /100\.96/);
});
