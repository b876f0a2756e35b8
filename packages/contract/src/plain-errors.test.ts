import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { z } from 'zod';
import { type Operation, operations } from './operations.ts';
import { plainError } from './plain-errors.ts';

const VALUES: readonly unknown[] = [
  undefined,
  null,
  '',
  'x'.repeat(5000),
  'x',
  -1,
  1e9,
  1.5,
  true,
  [],
  [[]],
  {},
  { a: {} },
];

/** Returns every message about a value, including those of union members. */
function messages(issues: readonly z.core.$ZodIssue[]): string[] {
  return issues.flatMap((issue) =>
    issue.code === 'invalid_union' && issue.errors.length > 0 ? issue.errors.flatMap(messages) : [issue.message],
  );
}

test('every message about a body continues a sentence that starts with the name of the field', () => {
  let seen = 0;
  for (const [name, operation] of Object.entries(operations) as [string, Operation][]) {
    const fields = Object.keys((operation.body as { shape?: object } | undefined)?.shape ?? {});
    for (const value of VALUES)
      for (const body of [value, ...fields.map((field) => ({ [field]: value }))]) {
        const result = operation.body?.safeParse(body, { error: plainError });
        for (const message of messages(result?.error?.issues ?? [])) {
          seen += 1;
          assert.match(message, /^(is|are|must|has|takes|TCP|cannot|needs) /, `${name}: ${message}`);
          assert.doesNotMatch(message, /Invalid|expected/, `${name}: ${message}`);
        }
      }
  }
  assert.ok(seen > 1000, `only ${seen} messages were seen`);
});
