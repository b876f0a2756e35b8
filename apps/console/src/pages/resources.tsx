import type { Protocol, Resource } from '@sallyport/contract';
import { useSearch } from '@tanstack/react-router';
import { type FormEvent, useState } from 'react';
import { type ApiFailure, call, failureOf, messageOf } from '../data/api.ts';
import { mayWrite, queryClient, useRead } from '../data/queries.ts';
import { Button, Choice, Dialog, Empty, Field, Skeleton, Status, Table } from '../kit/kit.tsx';
import { Pages, usePage } from '../kit/pages.tsx';
import { PlanDialog, type PlannedWrite } from '../kit/plan.tsx';
import { useSignedIn } from '../shell/me.ts';

/** What devices can reach. */
export function ResourcesPage() {
  const me = useSignedIn();
  const page = usePage();
  const { id } = useSearch({ strict: false }) as { id?: string };
  const [creating, setCreating] = useState(false);
  const [write, setWrite] = useState<PlannedWrite | null>(null);
  const { data, error } = useRead<'listResources'>('resource', `/tenants/resources?${page.query}`);
  if (error !== null && data === undefined) return <p className="note bad">{messageOf(error)}</p>;
  if (data === undefined) return <Skeleton />;
  const remove = ({ id: resource, name }: Resource) =>
    setWrite({
      title: `Delete ${name}`,
      method: 'DELETE',
      path: `/tenants/resources/${resource}`,
      verb: 'Delete resource',
      done: `Deleted ${name}.`,
      danger: true,
    });
  return (
    <>
      <div className="head">
        <h1>Resources</h1>
        {mayWrite(me) && (
          <Button look="primary" onClick={() => setCreating(true)}>
            New resource
          </Button>
        )}
      </div>
      <div className="card">
        {data.total === 0 ? (
          <Empty title="No resource yet">
            One or more addresses in a network behind a gateway, such as a web server or a whole subnet.
          </Empty>
        ) : (
          <Table
            caption="Resources"
            rows={data.data}
            keyOf={(resource) => resource.id}
            current={id}
            columns={[
              { head: 'Name', cell: ({ name }) => <span title={name}>{name}</span> },
              { head: 'Status', cell: (resource) => <ResourceStatus resource={resource} /> },
              {
                head: 'Addresses',
                cell: ({ addresses }) => (
                  <span title={addresses.map(({ address }) => address).join('\n')}>{addressText(addresses)}</span>
                ),
              },
              { head: 'Protocols', cell: ({ addresses }) => protocolText(addresses) },
              {
                head: 'Gateways',
                cell: ({ gateways }) =>
                  gateways.map(({ name }) => name).join(', ') || <span className="muted">none</span>,
              },
              ...(mayWrite(me)
                ? [
                    {
                      head: 'Actions',
                      end: true,
                      cell: (resource: Resource) => (
                        <Button look="plain" onClick={() => remove(resource)}>
                          Delete<span className="visually-hidden"> {resource.name}</span>
                        </Button>
                      ),
                    },
                  ]
                : []),
            ]}
          />
        )}
      </div>
      <Pages page={page} total={data.total} />
      <NewResource open={creating} onClose={() => setCreating(false)} />
      <PlanDialog write={write} onClose={() => setWrite(null)} />
    </>
  );
}

function ResourceStatus({ resource: { status, unreachableReason } }: { resource: Resource }) {
  if (unreachableReason !== undefined)
    return (
      <Status meaning="warn">
        <span title={unreachableReason}>{unreachableReason}</span>
      </Status>
    );
  if (status === undefined) return <Status meaning="off">No gateway</Status>;
  return status === 'ONLINE' ? <Status meaning="good">Reachable</Status> : <Status meaning="off">Offline</Status>;
}

const addressText = ([first, ...rest]: Resource['addresses']): string =>
  `${first?.address ?? ''}${rest.length === 0 ? '' : ` and ${rest.length} more`}`;
const protocolText = (addresses: Resource['addresses']): string =>
  [...new Set(addresses.flatMap(({ protocols }) => protocols.map(({ name }) => name)))].join(', ');

function NewResource({ open, onClose }: { open: boolean; onClose: () => void }) {
  return (
    <Dialog title="New resource" open={open} onClose={onClose}>
      <ResourceForm onClose={onClose} />
    </Dialog>
  );
}

function ResourceForm({ onClose }: { onClose: () => void }) {
  const protocols = useRead<'listProtocols'>('protocol', '/tenants/protocols');
  const gateways = useRead<'listGateways'>('gateway', '/tenants/gateways');
  const [name, setName] = useState('');
  const [addresses, setAddresses] = useState('');
  const [protocol, setProtocol] = useState('');
  const [gateway, setGateway] = useState('');
  const [failure, setFailure] = useState<ApiFailure | null>(null);
  const all = (
    Array.isArray(protocols.data) ? protocols.data : ((protocols.data as never as { data?: Protocol[] })?.data ?? [])
  ) as Protocol[];
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    const chosen = [protocol || all[0]?.id].filter((one) => one !== undefined);
    const list = addresses.split(/[\s,]+/).filter(Boolean);
    try {
      const body = {
        name,
        type: 'PRIVATE' as const,
        addresses: list.map((address) => ({ address, protocols: chosen })),
      };
      const { id } = await call<'createResource'>('POST', '/tenants/resources', body);
      const behind = gateway || (gateways.data?.length === 1 ? gateways.data[0]?.id : undefined);
      if (behind !== undefined)
        await call<'saveLoadBalancing'>('PUT', `/tenants/resources/${id}/load-balancing`, {
          loadBalancingMode: 'MANUAL',
          gateways: [behind],
        });
      await queryClient.invalidateQueries();
      onClose();
    } catch (error) {
      setFailure(failureOf(error));
    }
  };
  const addressError = failure?.fields.find(({ pointer }) => pointer.startsWith('/addresses'))?.message;
  return (
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
        maxLength={40}
      />
      <Field
        label="Addresses"
        hint="IP addresses or subnets such as 10.0.0.0/24, with spaces or commas between"
        value={addresses}
        onChange={(event) => setAddresses(event.target.value)}
        error={addressError}
        required
      />
      <Choice label="Protocol" value={protocol} onChange={(event) => setProtocol(event.target.value)}>
        {all.map(({ id, name: text }) => (
          <option key={id} value={id}>
            {text}
          </option>
        ))}
      </Choice>
      {(gateways.data?.length ?? 0) > 0 && (
        <Choice
          label="Gateway"
          hint="Through which devices reach it. More can be attached later."
          value={gateway}
          onChange={(event) => setGateway(event.target.value)}
        >
          {(gateways.data ?? []).map(({ id, name: text }) => (
            <option key={id} value={id}>
              {text}
            </option>
          ))}
        </Choice>
      )}
      <footer className="row">
        <Button onClick={onClose}>Cancel</Button>
        <Button type="submit" look="primary">
          Create resource
        </Button>
      </footer>
    </form>
  );
}
