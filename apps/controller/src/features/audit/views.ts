import { AuditEvent } from '@sallyport/contract';
import { decodeJson } from '../../db/json.ts';
import type { AuditRow } from './store.ts';

/** Returns an audit event in the form of answers. */
export function auditEventView(row: AuditRow): AuditEvent {
  const before = row.before === null ? null : decodeJson<Named>(row.before);
  const after = row.after === null ? null : decodeJson<Named>(row.after);
  const name = after?.name ?? before?.name ?? after?.email ?? before?.email;
  return {
    id: `${row.revision}.${row.seq}`,
    at: new Date(row.at).toISOString(),
    revision: row.revision,
    actor: {
      kind: actorKind.parse(row.actor_kind),
      name: row.actor_name,
      ...(row.actor_id === null ? {} : { id: row.actor_id }),
    },
    ...(row.source_ip === null ? {} : { sourceIp: row.source_ip }),
    ...(row.request_id === null ? {} : { requestId: row.request_id }),
    action: row.action,
    object: { kind: row.kind, id: row.object_id, ...(typeof name === 'string' ? { name } : {}) },
    ...(before === null ? {} : { before }),
    ...(after === null ? {} : { after }),
    hash: row.hash,
    previousHash: row.prev_hash,
  };
}

type Named = Readonly<Record<string, unknown>>;
const actorKind = AuditEvent.shape.actor.shape.kind;
