import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AgentError, failureOf, stackOf } from './failure.ts';

test('an unexpected error shows its stack only when SALLYPORT_DEBUG is set', () => {
  const error = new TypeError('x is not a function');
  assert.equal(failureOf(error).message, 'Unexpected: x is not a function.');
  assert.equal(stackOf(error, undefined), '');
  assert.equal(stackOf(error, ''), '');
  assert.match(stackOf(error, '1'), /^\nTypeError: x is not a function\n {4}at .*failure\.test\.ts/);
});

test('an error that says what to do shows no stack', () => {
  assert.equal(stackOf(new AgentError('no-state', 'The state directory is missing'), '1'), '');
  assert.equal(stackOf('a text', '1'), '');
});
