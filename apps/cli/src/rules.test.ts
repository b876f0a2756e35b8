import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startApi } from './testing/api-server.ts';
import { uuid } from './testing/fixtures.ts';
import { sally } from './testing/run.ts';

test('rules try shows each condition with its values', async (t) => {
  const api = await startApi(t);
  const text = "user.department == 'Engineering'";
  const outcome = await sally(api, [
    'rules',
    'try',
    '--rule',
    text,
    '--device',
    'anna',
    '--at',
    '2026-12-24T19:00:00Z',
  ]);
  assert.equal(outcome.code, 0);
  assert.equal(
    outcome.out,
    `The rule is not met: it is not true
    ✗ user.department == 'Engineering'  (user.department = "Sales")
`,
  );
  assert.deepEqual(api.seen.at(-1)?.body, { rule: text, device: uuid(51), at: '2026-12-24T19:00:00.000Z' });
});

test('rules try points at the error of a text, and fails', async (t) => {
  const api = await startApi(t);
  const wrong = { line: 1, column: 6, message: 'no such field: salary', hint: 'Fields are id and email.' };
  api.replies.set('tryAdmissionRule', () => ({ body: { problem: wrong } }));
  const outcome = await sally(api, ['rules', 'try', '--rule', 'user.salary > 3']);
  assert.equal(outcome.code, 1);
  assert.match(
    outcome.err,
    /line 1, column 6: no such field: salary\n {2}1 \| user\.salary > 3\n {11}\^\n[\s\S]*Fields are/,
  );
  const json = await sally(api, ['--json', 'rules', 'try', '--rule', 'user.salary > 3']);
  assert.deepEqual([json.code, JSON.parse(json.out)], [1, { problem: wrong }]);
});
