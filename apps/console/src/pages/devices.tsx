import type { Device } from '@sallyport/contract';
import { useSearch } from '@tanstack/react-router';
import { useState } from 'react';
import { call, messageOf } from '../data/api.ts';
import { mayWrite, queryClient, useRead } from '../data/queries.ts';
import { Ago, Button, Empty, type Meaning, Skeleton, Status, Table, toast } from '../kit/kit.tsx';
import { Pages, usePage } from '../kit/pages.tsx';
import { PlanDialog, type PlannedWrite } from '../kit/plan.tsx';
import { useSignedIn } from '../shell/me.ts';
import { AddDevice } from './add-device.tsx';

/** How a device stands, by the mark that means it. */
export const deviceMeanings: Record<Device['status'], Meaning> = {
  Online: 'good',
  Offline: 'off',
  Deactivated: 'warn',
};

/** Devices of the tenant, page by page. */
export function DevicesPage() {
  const me = useSignedIn();
  const page = usePage();
  const { id } = useSearch({ strict: false }) as { id?: string };
  const [adding, setAdding] = useState(false);
  const [write, setWrite] = useState<PlannedWrite | null>(null);
  const { data, error } = useRead<'listDevices'>('device', `/tenants/devices?${page.query}`);
  if (error !== null && data === undefined) return <p className="note bad">{messageOf(error)}</p>;
  if (data === undefined) return <Skeleton />;
  const change = async (device: Device) => {
    const verb = device.active ? 'deactivate' : 'reactivate';
    await call<never>(device.active ? 'PATCH' : 'POST', `/tenants/devices/${device.id}/${verb}`).catch((failure) =>
      toast(messageOf(failure)),
    );
    await queryClient.invalidateQueries({ queryKey: ['device'] });
  };
  return (
    <>
      <div className="head">
        <h1>Devices</h1>
        {mayWrite(me) && (
          <Button look="primary" onClick={() => setAdding(true)}>
            Add device
          </Button>
        )}
      </div>
      <div className="card">
        {data.total === 0 ? (
          <Empty title="No device yet">
            A laptop, phone or server that connects through WireGuard. Adding one takes a minute.
          </Empty>
        ) : (
          <Table
            caption="Devices"
            rows={data.data}
            keyOf={(device) => device.id}
            current={id}
            columns={[
              { head: 'Name', cell: ({ name }) => <span title={name}>{name}</span> },
              { head: 'Status', cell: ({ status }) => <Status meaning={deviceMeanings[status]}>{status}</Status> },
              { head: 'Owner', cell: ({ user }) => user?.email ?? <span className="muted">nobody</span> },
              { head: 'Kind', cell: ({ kind }) => (kind === 'NATIVE' ? 'Client' : 'WireGuard app') },
              {
                head: 'Address',
                cell: ({ overlayAddresses }) => <span className="num">{overlayAddresses?.[0] ?? ''}</span>,
              },
              { head: 'Last connection', end: true, cell: ({ lastConnection }) => <Ago at={lastConnection} /> },
              ...(mayWrite(me)
                ? [
                    {
                      head: 'Actions',
                      end: true,
                      cell: (device: Device) => (
                        <span className="row nowrap">
                          <Button look="plain" onClick={() => void change(device)}>
                            {device.active ? 'Deactivate' : 'Reactivate'}
                          </Button>
                          <Button
                            look="plain"
                            onClick={() =>
                              setWrite({
                                title: `Delete ${device.name}`,
                                method: 'DELETE',
                                path: `/tenants/devices/${device.id}`,
                                verb: 'Delete device',
                                done: `Deleted ${device.name}.`,
                                danger: true,
                              })
                            }
                          >
                            Delete<span className="visually-hidden"> {device.name}</span>
                          </Button>
                        </span>
                      ),
                    },
                  ]
                : []),
            ]}
          />
        )}
      </div>
      <Pages page={page} total={data.total} />
      <AddDevice open={adding} onClose={() => setAdding(false)} />
      <PlanDialog write={write} onClose={() => setWrite(null)} />
    </>
  );
}
