import type { AuditEvent } from '@sallyport/contract';
import { useNavigate, useSearch } from '@tanstack/react-router';
import { useState } from 'react';
import { messageOf } from '../data/api.ts';
import { useRead } from '../data/queries.ts';
import { Ago, Button, Choice, Dialog, Empty, Skeleton, Table, words } from '../kit/kit.tsx';
import { Pages, usePage } from '../kit/pages.tsx';

const kinds = [
  'gateway',
  'device',
  'resource',
  'policy',
  'admission-rule',
  'user',
  'group',
  'api-key',
  'enrolment-key',
  'tenant',
];

/** Who did what, and what was different afterwards. */
export function AuditPage() {
  const page = usePage();
  const { kind = '' } = useSearch({ strict: false }) as { kind?: string };
  const navigate = useNavigate();
  const [shown, setShown] = useState<AuditEvent | null>(null);
  const { data, error } = useRead<'listAuditEvents'>(
    'audit',
    `/tenants/audit-events?${page.query}${kind === '' ? '' : `&kind=${kind}`}`,
  );
  if (error !== null && data === undefined) return <p className="note bad">{messageOf(error)}</p>;
  if (data === undefined) return <Skeleton />;
  return (
    <>
      <div className="head">
        <h1>Audit</h1>
        <Choice
          label="About"
          value={kind}
          onChange={(event) =>
            void navigate({ search: event.target.value === '' ? {} : { kind: event.target.value } } as never)
          }
        >
          <option value="">Everything</option>
          {kinds.map((one) => (
            <option key={one} value={one}>
              {one.replaceAll('-', ' ')}
            </option>
          ))}
        </Choice>
      </div>
      <div className="card">
        {data.total === 0 ? (
          <Empty title="No event of this kind" />
        ) : (
          <Table
            caption="Audit events"
            rows={data.data}
            keyOf={({ id }) => id}
            columns={[
              { head: 'When', cell: ({ at }) => <Ago at={at} /> },
              { head: 'Who', cell: ({ actor }) => <span title={actor.kind}>{actor.name}</span> },
              { head: 'What', cell: ({ action }) => words(action) },
              { head: 'Object', cell: ({ object }) => <span title={object.id}>{object.name ?? object.kind}</span> },
              { head: 'From', cell: ({ sourceIp }) => <span className="num">{sourceIp ?? ''}</span> },
              {
                head: 'Details',
                end: true,
                cell: (event) => (
                  <Button look="plain" onClick={() => setShown(event)}>
                    Show<span className="visually-hidden"> event {event.id}</span>
                  </Button>
                ),
              },
            ]}
          />
        )}
      </div>
      <Pages page={page} total={data.total} />
      <Dialog
        wide
        title={shown === null ? '' : `${words(shown.action)}, ${new Date(shown.at).toLocaleString()}`}
        open={shown !== null}
        onClose={() => setShown(null)}
      >
        {shown !== null && <Changes event={shown} />}
      </Dialog>
    </>
  );
}

/** Fields that differ between before and after. */
function Changes({ event }: { event: AuditEvent }) {
  const before = (event.before ?? {}) as Record<string, unknown>;
  const after = (event.after ?? {}) as Record<string, unknown>;
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])].filter(
    (name) => JSON.stringify(before[name]) !== JSON.stringify(after[name]),
  );
  return (
    <>
      <p>
        {event.actor.name} ({event.actor.kind}){event.sourceIp === undefined ? '' : ` from ${event.sourceIp}`}
      </p>
      {names.length === 0 ? (
        <p className="muted">No field of the object itself differs.</p>
      ) : (
        <Table
          caption="Changed fields"
          rows={names}
          keyOf={(name) => name}
          columns={[
            { head: 'Field', cell: (name) => name },
            { head: 'Before', cell: (name) => <code title={text(before[name])}>{text(before[name])}</code> },
            { head: 'After', cell: (name) => <code title={text(after[name])}>{text(after[name])}</code> },
          ]}
        />
      )}
    </>
  );
}

const text = (value: unknown): string =>
  value === undefined ? '' : typeof value === 'string' ? value : JSON.stringify(value);
