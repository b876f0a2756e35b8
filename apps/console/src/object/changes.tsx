import type { AuditEvent } from '@sallyport/contract';

/** Fields that differ between before and after. */
export function Changes({ event }: { event: AuditEvent }) {
  const before = (event.before ?? {}) as Record<string, unknown>;
  const after = (event.after ?? {}) as Record<string, unknown>;
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])].filter(
    (name) => JSON.stringify(before[name]) !== JSON.stringify(after[name]),
  );
  return (
    <div className="stack tight">
      <p className="muted small">
        {new Date(event.at).toLocaleString()}, {event.actor.kind}
        {event.sourceIp === undefined ? '' : ` from ${event.sourceIp}`}
      </p>
      {names.length === 0 ? (
        <p className="muted">No field of the object itself differs.</p>
      ) : (
        <dl className="changes">
          {names.map((name) => (
            <div key={name}>
              <dt>{name}</dt>
              {before[name] !== undefined && (
                <dd>
                  <span className="visually-hidden">Before: </span>
                  <del>{text(before[name])}</del>
                </dd>
              )}
              {after[name] !== undefined && (
                <dd>
                  <span className="visually-hidden">After: </span>
                  <ins>{text(after[name])}</ins>
                </dd>
              )}
            </div>
          ))}
        </dl>
      )}
    </div>
  );
}

const text = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value));
