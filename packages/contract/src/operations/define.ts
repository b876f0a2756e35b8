import { z } from 'zod';
import type { ErrorCode } from '../errors.ts';
import type { RoleType } from '../http/api-keys.ts';
import { type FilterKind, id } from '../http/common.ts';
import type { Tag } from './tags.ts';

/**
 * What a caller may do. `read`: see the tenant's objects; `write`: change them; `deploy`: see enrolment tokens; `diagnose`: test and
 * explain; `audit`: read the audit trail; `own`: manage API keys, roles of owners, and the tenant itself; `self`: a signed-in
 * person's own account, devices and sessions, which no API key has.
 */
export type Right = 'read' | 'write' | 'deploy' | 'diagnose' | 'audit' | 'own' | 'self';

/** The one table of who may call what. BILLING, BASIC and DEFAULT (a plain user) manage
 * nothing but their own account. */
export const rightsOfRole: Readonly<Record<RoleType, readonly Right[]>> = {
  OWNER: ['read', 'write', 'deploy', 'diagnose', 'audit', 'own', 'self'],
  ADMIN: ['read', 'write', 'deploy', 'diagnose', 'audit', 'self'],
  AUDITOR: ['read', 'audit', 'self'],
  SUPPORT: ['read', 'diagnose', 'self'],
  BILLING: ['self'],
  BASIC: ['self'],
  DEFAULT: ['self'],
};

/** Returns what an API key of a role may do: as its people, but for what belongs to a person. */
export const rightsOfKey = (role: RoleType): readonly Right[] => rightsOfRole[role].filter((right) => right !== 'self');

/** One operation of the HTTP API. Server, OpenAPI document, CLI and tests are all made from this table.
 * Its name in the table is its operation id. */
export interface Operation {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Below the base path; path parameters as `{id}`. */
  readonly path: string;
  readonly tag: Tag;
  readonly summary: string;
  /** Says what the summary and the rest of this table do not. */
  readonly description?: string;
  /** null: anybody may call it, without a key or a session. */
  readonly right: Right | null;
  /** Callers with a session must have signed in within the last ten minutes. API keys are exempt. */
  readonly fresh?: true;
  readonly params?: z.ZodType;
  readonly query?: z.ZodType;
  /** Fields that `filter[field][operator]` parameters can name, beside what `query` has, and what their values are. */
  readonly filters?: Readonly<Record<string, FilterKind>>;
  readonly body?: z.ZodType;
  /** Fields of the answer that a write takes and ignores. */
  readonly ignoredFields?: readonly string[];
  readonly status: 200 | 201 | 204;
  /** Shape of the answer; of one line or event where the answer is a stream. */
  readonly response?: z.ZodType;
  /** Shape of the answer with `fields=summary`. */
  readonly summaryResponse?: z.ZodType;
  /** Tells in `X-Total-Count` how many entries there are, when the query asks for some of them. */
  readonly counted?: true;
  /** Answered piece by piece: JSON lines, or Server-Sent Events. */
  readonly stream?: 'ndjson' | 'sse';
  /** Takes `?dry-run=true`, which answers 200 with DryRun and writes nothing. */
  readonly dryRun?: true;
  /** Its answers have an ETag and it takes If-Match: 412 when the object has changed. */
  readonly versioned?: true;
  /** Codes that only operations like this one answer with; those that follow from the rest stand in failures.ts. */
  readonly failures?: readonly ErrorCode[];
}

/** Whether an operation takes an Idempotency-Key: those of sign-in do not, because an answer of theirs must not be kept. */
export const isIdempotent = ({ method, right }: Operation): boolean =>
  method !== 'GET' && right !== null && right !== 'self';

/** Path parameters of an operation on one object. */
export const byId = z.strictObject({ id });

/** Query flag of writes that can be tried without effect. */
export const dryRunQuery = z.strictObject({ 'dry-run': z.enum(['true', 'false']).optional() });

/** Query of an operation that takes none. Unknown parameters are refused. */
export const noQuery = z.strictObject({});

/** Defines an operation and keeps the exact types of its schemas. */
export const define = <const T extends Record<string, Operation>>(table: T): T => table;
