import { useState } from 'react';
import { messageOf } from '../data/api.ts';
import { useRead } from '../data/queries.ts';
import { Ago, Skeleton } from '../kit/kit.tsx';
import { words } from '../kit/text.ts';
import { PageLink } from '../shell/page-link.tsx';
import { Changes } from './changes.tsx';

/** What happened to one object, the newest first. */
export function History({ id }: { id: string }) {
  const [shown, setShown] = useState<string | null>(null);
  const { data, error } = useRead<'listAuditEvents'>('audit', `/tenants/audit-events?object=${id}&limit=50`);
  if (error !== null && data === undefined) return <p className="note bad">{messageOf(error)}</p>;
  if (data === undefined) return <Skeleton lines={4} />;
  if (data.total === 0) return <p className="muted">The audit trail has nothing about this object.</p>;
  return (
    <>
      <ul className="stack tight">
        {data.data.map((event) => (
          <li key={event.id} className="history-event">
            <button
              type="button"
              className="sort"
              aria-expanded={shown === event.id}
              onClick={() => setShown(shown === event.id ? null : event.id)}
            >
              <span>
                <strong>{event.actor.name}</strong> {words(event.action)}
              </span>
              <span className="muted small">
                <Ago at={event.at} />
              </span>
            </button>
            {shown === event.id && <Changes event={event} />}
          </li>
        ))}
      </ul>
      {data.total > data.data.length && (
        <p>
          <PageLink to="/audit" search={{ object: id }}>
            All {data.total.toLocaleString('en')} events
          </PageLink>
        </p>
      )}
    </>
  );
}
