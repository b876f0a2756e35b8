import type { Gateway } from '@sallyport/contract';
import { useNavigate, useSearch } from '@tanstack/react-router';
import { type FormEvent, useState } from 'react';
import { type ApiFailure, call, failureOf, messageOf } from '../data/api.ts';
import { mayWrite, queryClient, useRead } from '../data/queries.ts';
import {
  Ago,
  Button,
  Choice,
  Dialog,
  Empty,
  Field,
  type Meaning,
  plural,
  Skeleton,
  Status,
  Table,
} from '../kit/kit.tsx';
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
      <NewGateway open={creating} onClose={() => setCreating(false)} />
    </>
  );
}

function NewGateway({ open, onClose }: { open: boolean; onClose: () => void }) {
  const navigate = useNavigate();
  const [name, setName] = useState('');
  const [port, setPort] = useState('51820');
  const [endpoint, setEndpoint] = useState('');
  const [failure, setFailure] = useState<ApiFailure | null>(null);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    try {
      const body = { name, wireguardPort: port, ...(endpoint === '' ? {} : { endpoint }) };
      const { id } = await call<'createGateway'>('POST', '/tenants/gateways', body);
      await queryClient.invalidateQueries({ queryKey: ['gateway'] });
      onClose();
      void navigate({ to: `/gateways/${id}` } as never);
    } catch (error) {
      setFailure(failureOf(error));
    }
  };
  return (
    <Dialog title="New gateway" open={open} onClose={onClose}>
      <form className="stack" onSubmit={submit}>
        {failure !== null && (
          <p className="note bad" role="alert">
            {failure.message}
          </p>
        )}
        <Field
          label="Name"
          value={name}
          onChange={(event) => setName(event.target.value)}
          error={failure?.field('/name')}
          required
          maxLength={120}
        />
        <Field
          label="UDP port"
          hint="Where it listens for WireGuard"
          inputMode="numeric"
          value={port}
          onChange={(event) => setPort(event.target.value)}
          error={failure?.field('/wireguardPort')}
          required
        />
        <Field
          label="Endpoint"
          hint="Host name or address at which devices reach it. Left empty, the controller discovers it."
          value={endpoint}
          onChange={(event) => setEndpoint(event.target.value)}
          error={failure?.field('/endpoint')}
        />
        <footer className="row">
          <Button onClick={onClose}>Cancel</Button>
          <Button type="submit" look="primary">
            Create gateway
          </Button>
        </footer>
      </form>
    </Dialog>
  );
}
