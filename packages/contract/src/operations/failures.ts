import { type ErrorCode, errorCatalogue } from '../errors.ts';
import { isIdempotent, type Operation } from './define.ts';

/** Returns every code that an operation can answer with once its path and method are known, in the catalogue's order. */
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

/** What only operations for somebody answer. */
const ofCallers: readonly ErrorCode[] = ['unauthenticated', 'forbidden'];

/** Every operation but GET reads a body, and may write. */
const notGet: readonly ErrorCode[] = ['malformed_json', 'body_too_large', 'unsupported_media_type', 'storage_full'];

/** Answers of operations that take an Idempotency-Key. */
const idempotent: readonly ErrorCode[] = ['idempotency_in_progress', 'idempotency_key_reused'];

function implied(operation: Operation): readonly ErrorCode[] {
  const { method, params, stream, versioned, fresh } = operation;
  return [
    ...(method === 'GET' ? [] : notGet),
    ...(isIdempotent(operation) ? idempotent : []),
    ...(method === 'GET' || method === 'DELETE' ? [] : (['quota_exceeded'] as const)),
    ...(params === undefined ? [] : (['not_found'] as const)),
    ...(versioned === undefined ? [] : (['precondition_failed'] as const)),
    ...(fresh === undefined ? [] : (['fresh_sign_in_required'] as const)),
    ...(stream === 'sse' ? (['changes_gone'] as const) : []),
  ];
}
