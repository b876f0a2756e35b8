import { z } from 'zod';
import { count, id, moment, paginated, timestamp, wholeNumber } from './common.ts';

/** One event of the audit log. */
export const AuditEvent = z
  .object({
    id: z.string().describe('Revision and position within it, such as 17.0'),
    at: timestamp,
    revision: z.int(),
    actor: z.object({
      kind: z.enum(['api-key', 'agent', 'operator', 'system', 'user']),
      id: z.string().optional(),
      name: z.string(),
    }),
    sourceIp: z.string().optional(),
    requestId: z.string().optional(),
    action: z.string(),
    object: z.object({ kind: z.string(), id: z.string(), name: z.string().optional() }),
    before: z.unknown().optional(),
    after: z.unknown().optional(),
    hash: z.string(),
    previousHash: z.string(),
  })
  .meta({ id: 'AuditEvent' });
export type AuditEvent = z.infer<typeof AuditEvent>;

const filters = {
  from: moment.optional(),
  to: moment.optional(),
  actor: z.string().max(200).optional(),
  action: z.string().max(200).optional(),
  kind: z.string().max(50).optional(),
  object: z.string().max(100).optional(),
};

/** Query of the list of audit events. */
export const auditQuery = z.strictObject({
  ...filters,
  limit: count(wholeNumber(1).default(50)).describe('Page size; values above 500 count as 500'),
  offset: count(wholeNumber(0).default(0)).describe('Items to skip'),
});

/** Query of the export of audit events. */
export const auditExportQuery = z.strictObject(filters);

/** A page of audit events. */
export const AuditPage = paginated(AuditEvent).meta({ id: 'AuditPage' });

/** Result of checking the hash chain of the audit log. */
export const AuditVerification = z
  .object({
    intact: z.boolean(),
    checked: z.int().describe('Number of events whose hashes were recomputed'),
    firstBad: z.string().optional().describe('Id of the first event whose hash does not match'),
    reason: z.string().optional(),
    head: z.string().describe('Hash of the newest event; keep a copy elsewhere to detect truncation'),
  })
  .meta({ id: 'AuditVerification' });
export type AuditVerification = z.infer<typeof AuditVerification>;

/** One changed object. */
export const ChangedObject = z.object({ kind: z.string(), id, op: z.enum(['create', 'update', 'delete', 'rekey']) });
export type ChangedObject = z.infer<typeof ChangedObject>;

/** One event of the change stream. Its id is the revision, for Last-Event-ID. */
export const ChangeEvent = z
  .object({
    revision: z.int(),
    changes: z.array(ChangedObject),
  })
  .meta({ id: 'ChangeEvent' });
export type ChangeEvent = z.infer<typeof ChangeEvent>;

/** Query of the stream of changes. */
export const changesQuery = z.strictObject({
  since: count(wholeNumber(0).optional()).describe(
    'Revision after which the stream starts; Last-Event-ID takes precedence',
  ),
});
