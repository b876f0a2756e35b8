import type { z } from 'zod';

/**
 * Returns the message of a validation issue. The message continues a sentence that starts with the name of the field:
 * `must be …`. Pass it to `safeParse` as `error`. Messages of the schemas take precedence.
 */
export function plainError(issue: z.core.$ZodRawIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      return issue.input === undefined ? 'is required' : `must be ${kindOf(issue.expected)}`;
    case 'too_small':
      if (issue.origin === 'string' && issue.minimum === 1) return 'must not be empty';
      return `must ${sizeOf(issue.origin)} at least ${amount(issue.origin, issue.minimum)}`;
    case 'too_big':
      return `must ${sizeOf(issue.origin)} at most ${amount(issue.origin, issue.maximum)}`;
    case 'invalid_value':
      return issue.values.length === 1
        ? `must be ${String(issue.values[0])}`
        : `must be one of ${issue.values.map(String).join(', ')}`;
    case 'invalid_format':
      return FORMATS[issue.format] ?? 'is not of the form that is expected';
    case 'unrecognized_keys':
      return `must not have ${issue.keys.join(', ')}`;
    case 'not_multiple_of':
      return `must be a multiple of ${issue.divisor}`;
    case 'invalid_key':
      return 'has a name that is not accepted';
    default:
      return 'is not accepted';
  }
}

const KINDS: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'an object',
  record: 'an object',
  null: 'null',
};
const kindOf = (expected: string): string => KINDS[expected] ?? expected;

const FORMATS: Readonly<Record<string, string>> = {
  uuid: 'must be an id, such as 3f2b8c1e-9a4d-4c6e-8f10-2b7d5a9c4e61',
  email: 'must be an e-mail address',
  datetime: 'must be a moment, such as 2026-12-24T18:00:00Z',
  url: 'must be a URL',
};

const sizeOf = (origin: string): string => (/^(string|array|set|map|object|record)$/.test(origin) ? 'have' : 'be');

function amount(origin: string, count: number | bigint): string {
  if (origin === 'string') return `${count} ${count === 1 ? 'character' : 'characters'}`;
  return sizeOf(origin) === 'have' ? `${count} ${count === 1 ? 'entry' : 'entries'}` : String(count);
}
