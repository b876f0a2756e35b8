import type { AuditEvent } from '@sallyport/contract';
import { Copy } from '../kit/kit.tsx';
import { words } from '../kit/text.ts';
import { Changes } from '../object/changes.tsx';
import { PageLink } from '../shell/page-link.tsx';

/** Pages of the kinds of object that have one. */
const pages: Readonly<Record<string, string>> = {
  gateway: '/gateways',
  device: '/devices',
  resource: '/resources',
  policy: '/policies',
  user: '/users',
  group: '/groups',
};

/** One event of the audit trail: who did what, and the fields before and after. */
export function EventObject({ event }: { event: AuditEvent | undefined }) {
  if (event === undefined)
    return <p className="muted">This event is further down the list. Narrow the filters to see it.</p>;
  const { id, actor, action, object, requestId, sourceIp, at } = event;
  const page = pages[object.kind];
  return (
    <article className="stack">
      <header className="row between">
        <h2>{words(action)}</h2>
        <Copy text={id} label="Copy id" />
      </header>
      <dl className="facts">
        <dt>When</dt>
        <dd>{new Date(at).toLocaleString()}</dd>
        <dt>Who</dt>
        <dd>
          <PageLink to="/audit" search={{ actor: actor.name }}>
            {actor.name}
          </PageLink>{' '}
          <span className="muted">({actor.kind})</span>
        </dd>
        {sourceIp !== undefined && (
          <>
            <dt>From</dt>
            <dd className="num">{sourceIp}</dd>
          </>
        )}
        <dt>Object</dt>
        <dd>
          {page === undefined ? (
            (object.name ?? object.kind)
          ) : (
            <PageLink to={page} search={{ id: object.id }}>
              {object.name ?? object.id}
            </PageLink>
          )}{' '}
          <span className="muted">({object.kind.replaceAll('-', ' ')})</span>
        </dd>
        <dt>Its history</dt>
        <dd>
          <PageLink to="/audit" search={{ object: object.id }}>
            All events about it
          </PageLink>
        </dd>
        {requestId !== undefined && (
          <>
            <dt>Request</dt>
            <dd>
              <code>{requestId}</code>
            </dd>
          </>
        )}
        <dt>Hash</dt>
        <dd>
          <code>{event.hash}</code>
        </dd>
      </dl>
      <h3>Changed fields</h3>
      <Changes event={event} />
    </article>
  );
}
