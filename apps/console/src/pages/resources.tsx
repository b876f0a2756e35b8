import type { Resource } from '@sallyport/contract';
import { useSearch } from '@tanstack/react-router';
import { useState } from 'react';
import { messageOf } from '../data/api.ts';
import { mayWrite, useRead } from '../data/queries.ts';
import { ResourceDialog } from '../forms/resource-form.tsx';
import { Button, Empty, Skeleton, Status, Table } from '../kit/kit.tsx';
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
      <ResourceDialog open={creating} onClose={() => setCreating(false)} />
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
