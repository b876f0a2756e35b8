import { type ErrorCode, errorCatalogue } from '../errors.ts';
import type { Operation } from './define.ts';

/** Returns every code that an operation can answer with once its path and method are known, in the catalogue's order. */
export function failuresOf(operation: Operation): readonly ErrorCode[] {
  const codes = new Set([...everywhere, ...implied(operation), ...(operation.failures ?? [])]);
  return (Object.keys(errorCatalogue) as ErrorCode[]).filter((code) => codes.has(code));
}

const everywhere: readonly ErrorCode[] = [
  'invalid_request',
  'unauthenticated',
  'forbidden',
  'rate_limited',
  'internal',
  'unavailable',
];

/** A body is read, and an Idempotency-Key taken, by every operation but GET. */
const notGet: readonly ErrorCode[] = [
  'malformed_json',
  'body_too_large',
  'unsupported_media_type',
  'idempotency_in_progress',
  'idempotency_key_reused',
  'storage_full',
];

const implied = ({ method, params, stream, versioned }: Operation): readonly ErrorCode[] => [
  ...(method === 'GET' ? [] : notGet),
  ...(method === 'GET' || method === 'DELETE' ? [] : (['quota_exceeded'] as const)),
  ...(params === undefined ? [] : (['not_found'] as const)),
  ...(versioned === undefined ? [] : (['precondition_failed'] as const)),
  ...(stream === 'sse' ? (['changes_gone'] as const) : []),
];
