import { type FieldError, type Operation, plainError } from '@sallyport/contract';
import type { z } from 'zod';
import { ApiError } from '../errors.ts';

/** The parts of a request before they are checked. */
export interface RawInput {
  readonly params: unknown;
  readonly query: unknown;
  readonly body: unknown;
}

/** Checks the input of a request. Throws `invalid_request` with every mistake, not only the first. */
export function validateInput(operation: Operation, raw: RawInput): RawInput {
  const errors: FieldError[] = [];
  const check = (schema: z.ZodType | undefined, value: unknown, prefix: string): unknown => {
    if (schema === undefined) return undefined;
    const result = schema.safeParse(value, { error: plainError });
    if (result.success) return result.data;
    errors.push(...result.error.issues.flatMap((issue) => fieldErrors(issue, prefix)));
    return undefined;
  };
  // Assigning this name sets a prototype, so no schema sees it.
  const given = Object.entries(raw.query as object);
  const named = Object.fromEntries(given.filter(([name]) => name !== '__proto__'));
  if (given.length > Object.keys(named).length)
    errors.push({ pointer: 'query/__proto__', message: 'is not a known field' });
  const params = check(operation.params, lowerCaseIds(raw.params), 'path');
  const query = check(operation.query, named, 'query');
  const body =
    operation.body === undefined
      ? noBody(raw.body, errors)
      : check(operation.body, withoutIgnored(operation, raw.body), '');
  if (errors.length > 0) throw new ApiError('invalid_request', undefined, errors);
  return { params, query, body };
}

/** Checks a body outside the table of operations in the same way. */
export function parseBody<T>(schema: z.ZodType<T>, body: unknown): T {
  const result = schema.safeParse(body, { error: plainError });
  if (result.success) return result.data;
  throw new ApiError(
    'invalid_request',
    undefined,
    result.error.issues.flatMap((issue) => fieldErrors(issue, '')),
  );
}

/** UUIDs are equal whatever their letter case (RFC 9562, 4). */
function lowerCaseIds(params: unknown): unknown {
  const entries = Object.entries((params ?? {}) as Record<string, string>);
  return Object.fromEntries(entries.map(([name, value]) => [name, value.toLowerCase()]));
}

function withoutIgnored({ ignoredFields }: Operation, body: unknown): unknown {
  if (ignoredFields === undefined || typeof body !== 'object' || body === null || Array.isArray(body)) return body;
  return Object.fromEntries(Object.entries(body).filter(([name]) => !ignoredFields.includes(name)));
}

function noBody(body: unknown, errors: FieldError[]): undefined {
  if (body === undefined || body === null) return;
  if (typeof body === 'object' && Object.keys(body).length === 0) return;
  errors.push({ pointer: '', message: 'this operation takes no body' });
}

function fieldErrors(issue: z.core.$ZodIssue, prefix: string): FieldError[] {
  if (issue.code === 'unrecognized_keys')
    return issue.keys.map((key) => ({
      pointer: pointer(prefix, [...issue.path, key]),
      message: 'is not a known field',
    }));
  const where = pointer(prefix, issue.path);
  if (issue.code === 'invalid_union') {
    const meant = issue.errors.find((issues) => !issues.some(isOtherType)) ?? [];
    if (meant.length > 0) return meant.flatMap((inner) => fieldErrors(inner, where));
  }
  return [{ pointer: where, message: issue.message }];
}

/** Returns whether the value has another type than this member of a union, so that another member was meant. */
const isOtherType = ({ code, path }: z.core.$ZodIssue): boolean => code === 'invalid_type' && path.length === 0;

/** JSON pointer (RFC 6901) into the body, or `query/name` and `path/name`. */
function pointer(prefix: string, path: readonly PropertyKey[]): string {
  return prefix + path.map((part) => `/${String(part).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');
}
