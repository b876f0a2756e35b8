import { z } from 'zod';
import type { ErrorCode } from '../errors.ts';
import type { RoleType } from '../http/api-keys.ts';
import { type FilterKind, id } from '../http/common.ts';
import type { Tag } from './tags.ts';

/**
 * A right of a caller.
 * - `read`: see the tenant's objects.
 * - `write`: change the tenant's objects.
 * - `deploy`: see enrolment tokens.
 * - `diagnose`: test gateways and explain access.
 * - `audit`: read the audit trail.
 * - `own`: manage API keys, roles of owners, and the tenant itself.
 * - `self`: manage the own account, devices and sessions of a signed-in person. API keys never have it.
 */
export type Right = 'read' | 'write' | 'deploy' | 'diagnose' | 'audit' | 'own' | 'self';

/** Rights of each role. BILLING, BASIC and DEFAULT (a plain user) manage only their own account. */
export const rightsOfRole: Readonly<Record<RoleType, readonly Right[]>> = {
  OWNER: ['read', 'write', 'deploy', 'diagnose', 'audit', 'own', 'self'],
  ADMIN: ['read', 'write', 'deploy', 'diagnose', 'audit', 'self'],
  AUDITOR: ['read', 'audit', 'self'],
  SUPPORT: ['read', 'diagnose', 'self'],
  BILLING: ['self'],
  BASIC: ['self'],
  DEFAULT: ['self'],
};

/** Returns the rights of an API key with a role: the rights of the role without `self`. */
export const rightsOfKey = (role: RoleType): readonly Right[] => rightsOfRole[role].filter((right) => right !== 'self');

/** One operation of the HTTP API. Server, OpenAPI document, CLI and tests derive from this table.
 * The name in the table is the operation id. */
export interface Operation {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Path below the base path. Path parameters are written as `{id}`. */
  readonly path: string;
  readonly tag: Tag;
  readonly summary: string;
  /** Details beyond the summary, for the OpenAPI document. */
  readonly description?: string;
  /** Right that the caller needs. null: the operation needs neither a key nor a session. */
  readonly right: Right | null;
  /** Callers with a session must have signed in within the last ten minutes. API keys are exempt. */
  readonly fresh?: true;
  /** Calls do not count as activity of a session, because programs make them without a person. */
  readonly quiet?: true;
  readonly params?: z.ZodType;
  readonly query?: z.ZodType;
  /** Fields that `filter[field][operator]` parameters can name in addition to `query`, with the type of their values. */
  readonly filters?: Readonly<Record<string, FilterKind>>;
  readonly body?: z.ZodType;
  /** Fields of the answer that a write accepts and ignores. */
  readonly ignoredFields?: readonly string[];
  readonly status: 200 | 201 | 204;
  /** Schema of the answer, or of one line or event of a streamed answer. */
  readonly response?: z.ZodType;
  /** Shape of the answer with `fields=summary`. */
  readonly summaryResponse?: z.ZodType;
  /** Tells in `X-Total-Count` how many entries there are, when the query asks for some of them. */
  readonly counted?: true;
  /** Format of a streamed answer: JSON lines or Server-Sent Events. */
  readonly stream?: 'ndjson' | 'sse';
  /**
   * The operation accepts `?dry-run=true`: it answers 200 with DryRun and writes nothing. The answer has an ETag. A write
   * that repeats the ETag in If-Match answers 412 when the tenant has changed.
   */
  readonly dryRun?: true;
  /** Answers have an ETag. The operation accepts If-Match and answers 412 when the object has changed. */
  readonly versioned?: true;
  /** Error codes specific to this operation. `failures.ts` derives the general ones. */
  readonly failures?: readonly ErrorCode[];
}

/** Returns whether an operation accepts an Idempotency-Key. Sign-in operations do not: their answers must not be stored. */
export const isIdempotent = ({ method, right }: Operation): boolean =>
  method !== 'GET' && right !== null && right !== 'self';

/** Path parameters of an operation on one object. */
export const byId = z.strictObject({ id });

/** Query of writes that support a dry run. */
export const dryRunQuery = z.strictObject({ 'dry-run': z.enum(['true', 'false']).optional() });

/** Query of an operation without parameters. It rejects unknown parameters. */
export const noQuery = z.strictObject({});

/** Defines an operation and keeps the exact types of its schemas. */
export const define = <const T extends Record<string, Operation>>(table: T): T => table;
