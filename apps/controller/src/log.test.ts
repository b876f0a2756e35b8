import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLog } from './log.ts';

test('the log escapes what could deceive its reader, and hides secrets', () => {
  const lines: string[] = [];
  const log = createLog('info', { write: (line) => void lines.push(line) });
  const name = 'a\u001b[2J\u009b31m\u202e\u200b\u2028\u007f';
  log.info({ device: name, request: { token: 'sgw_secret' } }, `enrolled ${name}`);
  log.error({ err: new Error(name) }, 'failed');
  assert.equal(lines.length, 2);
  for (const line of lines) assert.doesNotMatch(line.trimEnd(), /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
  const first = JSON.parse(lines[0] ?? '');
  assert.deepEqual([first.device, first.request.token], [name, '[secret]']);
});
