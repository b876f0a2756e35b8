import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLog } from './log.ts';

test('the log of an agent escapes deceptive characters', () => {
  const lines: string[] = [];
  const log = createLog(
    'info',
    (line) => lines.push(line),
    () => 0,
  );
  const name = 'a\u001b[2J\n\u009b31m\u202e\u200b\u2028\u007f';
  log.warn(`gateway ${name}`, { reason: name });
  log.debug('too little');
  assert.equal(lines.length, 1);
  const [line = ''] = lines;
  assert.doesNotMatch(line.slice(0, -1), /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
  assert.equal(JSON.parse(line).reason, name);
});
