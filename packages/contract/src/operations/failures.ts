import { type ErrorCode, errorCatalogue } from '../errors.ts';
import { isIdempotent, type Operation } from './define.ts';

/** Returns every error code that an operation can answer with after routing, in the order of the catalogue. */
export function failuresOf(operation: Operation): readonly ErrorCode[] {
  const codes = new Set([...everywhere, ...implied(operation), ...(operation.failures ?? [])]);
  if (operation.right === null) for (const code of ofCallers) codes.delete(code);
  return (Object.keys(errorCatalogue) as ErrorCode[]).filter((code) => codes.has(code));
}

const everywhere: readonly ErrorCode[] = [
  'invalid_request',
  'unauthenticated',
  'forbidden',
  'cross_site',
  'rate_limited',
  'internal',
  'unavailable',
];

/** Error codes of operations that need a right. */
const ofCallers: readonly ErrorCode[] = ['unauthenticated', 'forbidden'];

/** Error codes of every method except GET: these operations read a body and may write. */
const notGet: readonly ErrorCode[] = ['malformed_json', 'body_too_large', 'unsupported_media_type', 'storage_full'];

/** Error codes of operations that accept an Idempotency-Key. */
const idempotent: readonly ErrorCode[] = ['idempotency_in_progress', 'idempotency_key_reused'];

function implied(operation: Operation): readonly ErrorCode[] {
  const { method, params, versioned, fresh, dryRun } = operation;
  return [
    ...(method === 'GET' ? [] : notGet),
    ...(isIdempotent(operation) ? idempotent : []),
    ...(method === 'GET' || method === 'DELETE' ? [] : (['quota_exceeded'] as const)),
    ...(params === undefined ? [] : (['not_found'] as const)),
    ...(versioned === undefined && dryRun === undefined ? [] : (['precondition_failed'] as const)),
    ...(fresh === undefined ? [] : (['fresh_sign_in_required'] as const)),
  ];
}
