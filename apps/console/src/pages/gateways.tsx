import type { Gateway } from '@sallyport/contract';
import { useNavigate, useSearch } from '@tanstack/react-router';
import { useState } from 'react';
import { messageOf } from '../data/api.ts';
import { mayWrite, useRead } from '../data/queries.ts';
import { GatewayDialog } from '../forms/gateway-form.tsx';
import { Ago, Button, Choice, Empty, Field, type Meaning, plural, Skeleton, Status, Table } from '../kit/kit.tsx';
import { useSignedIn } from '../shell/me.ts';
import { PageLink } from '../shell/page-link.tsx';

const meanings: Record<Gateway['status'], Meaning> = {
  ONLINE: 'good',
  PENDING: 'wait',
  MAINTENANCE: 'draining',
  ERROR: 'bad',
  OFFLINE: 'off',
};
const words: Record<Gateway['status'], string> = {
  ONLINE: 'Online',
  PENDING: 'Waiting for its host',
  MAINTENANCE: 'In maintenance',
  ERROR: 'Error',
  OFFLINE: 'Offline',
};

/** How a gateway stands, in words. */
export const GatewayStatus = ({ status }: { status: Gateway['status'] }) => (
  <Status meaning={meanings[status]}>{words[status]}</Status>
);

/** All gateways of the tenant. Filters live in the address. */
export function GatewaysPage() {
  const me = useSignedIn();
  const { q = '', status = '' } = useSearch({ strict: false }) as { q?: string; status?: string };
  const navigate = useNavigate();
  const [creating, setCreating] = useState(false);
  const { data, error } = useRead<'listGateways'>('gateway', '/tenants/gateways');
  const filter = (changes: object) => void navigate({ search: { q, status, ...changes }, replace: true } as never);
  if (error !== null && data === undefined) return <p className="note bad">{messageOf(error)}</p>;
  if (data === undefined) return <Skeleton />;
  const shown = data.filter(
    (gateway) =>
      (status === '' || gateway.status === status) &&
      [gateway.name, gateway.description ?? '', gateway.endpoint ?? ''].some((text) =>
        text.toLowerCase().includes(q.toLowerCase()),
      ),
  );
  return (
    <>
      <div className="head">
        <h1>Gateways</h1>
        {mayWrite(me) && (
          <Button look="primary" onClick={() => setCreating(true)}>
            New gateway
          </Button>
        )}
      </div>
      {data.length === 0 ? (
        <div className="card">
          <Empty title="No gateway yet">
            A gateway runs on a host in your network. Devices reach the resources behind it through WireGuard.
          </Empty>
        </div>
      ) : (
        <>
          <div className="filters">
            <Field label="Search" value={q} onChange={(event) => filter({ q: event.target.value })} type="search" />
            <Choice label="Status" value={status} onChange={(event) => filter({ status: event.target.value })}>
              <option value="">All</option>
              {(Object.keys(words) as Gateway['status'][]).map((one) => (
                <option key={one} value={one}>
                  {words[one]}
                </option>
              ))}
            </Choice>
            <span className="grow" />
            <span className="muted num">
              {shown.length} of {plural(data.length, 'gateway')}
            </span>
          </div>
          <div className="card">
            <Table
              caption="Gateways"
              rows={shown}
              keyOf={({ id }) => id}
              columns={[
                { head: 'Name', cell: ({ id, name }) => <PageLink to={`/gateways/${id}`}>{name}</PageLink> },
                { head: 'Status', cell: (gateway) => <GatewayStatus status={gateway.status} /> },
                {
                  head: 'Why',
                  cell: ({ error: why }) => (why === undefined ? '' : <span title={why}>{why}</span>),
                },
                { head: 'Endpoint', cell: ({ endpoint, discoveredEndpoint }) => endpoint ?? discoveredEndpoint ?? '–' },
                { head: 'Resources', end: true, cell: ({ resources }) => (resources ?? []).length },
                { head: 'Last online', end: true, cell: ({ lastOnline }) => <Ago at={lastOnline} /> },
              ]}
            />
            {shown.length === 0 && (
              <Empty
                title="No gateway fits the filters"
                action={<Button onClick={() => filter({ q: '', status: '' })}>Clear filters</Button>}
              />
            )}
          </div>
        </>
      )}
      <GatewayDialog
        open={creating}
        onClose={() => setCreating(false)}
        onDone={({ id }) => void navigate({ to: `/gateways/${id}` } as never)}
      />
    </>
  );
}
