import type { MyDevice } from '@sallyport/contract';
import { useState } from 'react';
import { call, messageOf } from '../data/api.ts';
import { queryClient, useRead } from '../data/queries.ts';
import { Ago, Button, Dialog, Empty, Skeleton, Status, Table, toast } from '../kit/kit.tsx';
import { deviceMeanings } from '../lists/meanings.ts';
import { AddDevice } from './add-device.tsx';

/** A person's own devices, and what they reach. */
export function MyDevicesPage() {
  const [adding, setAdding] = useState(false);
  const [removing, setRemoving] = useState<MyDevice | null>(null);
  const { data, error } = useRead<'listMyDevices'>('my-devices', '/tenants/me/devices?limit=100');
  if (error !== null && data === undefined) return <p className="note bad">{messageOf(error)}</p>;
  if (data === undefined) return <Skeleton />;
  const remove = async (device: MyDevice) => {
    try {
      await call<'removeMyDevice'>('DELETE', `/tenants/me/devices/${device.id}`);
      await queryClient.invalidateQueries({ queryKey: ['my-devices'] });
      toast(`Deleted ${device.name}.`);
    } catch (failure) {
      toast(messageOf(failure));
    }
    setRemoving(null);
  };
  return (
    <>
      <div className="head">
        <h1>My devices</h1>
        <Button look="primary" onClick={() => setAdding(true)}>
          Add device
        </Button>
      </div>
      <div className="card">
        {data.data.length === 0 ? (
          <Empty title="No device yet">Add your laptop or phone. It then reaches what your administrators allow.</Empty>
        ) : (
          <Table
            caption="My devices"
            rows={data.data}
            keyOf={(device) => device.id}
            columns={[
              { head: 'Name', cell: ({ name }) => <span title={name}>{name}</span> },
              { head: 'Status', cell: ({ status }) => <Status meaning={deviceMeanings[status]}>{status}</Status> },
              { head: 'Kind', cell: ({ kind }) => (kind === 'NATIVE' ? 'Client' : 'WireGuard app') },
              { head: 'Last connection', end: true, cell: ({ lastConnection }) => <Ago at={lastConnection} /> },
              {
                head: 'Actions',
                end: true,
                cell: (device) => (
                  <Button look="plain" onClick={() => setRemoving(device)}>
                    Delete<span className="visually-hidden"> {device.name}</span>
                  </Button>
                ),
              },
            ]}
          />
        )}
      </div>
      <Reach />
      <AddDevice mine open={adding} onClose={() => setAdding(false)} />
      <Dialog title={`Delete ${removing?.name ?? ''}`} open={removing !== null} onClose={() => setRemoving(null)}>
        {removing !== null && (
          <>
            <p>It loses its access at once. Its configuration never works again.</p>
            <footer>
              <Button onClick={() => setRemoving(null)}>Cancel</Button>
              <Button look="danger solid" onClick={() => void remove(removing)}>
                Delete device
              </Button>
            </footer>
          </>
        )}
      </Dialog>
    </>
  );
}

/** What the person's devices reach now. */
function Reach() {
  const { data } = useRead<'listMyResources'>('my-devices', '/tenants/me/resources?limit=100');
  return (
    <section className="card" aria-labelledby="reach">
      <header>
        <h2 id="reach">What your devices reach</h2>
      </header>
      {data === undefined ? (
        <div className="body">
          <Skeleton lines={3} />
        </div>
      ) : data.data.length === 0 ? (
        <Empty title="Nothing yet">No policy allows one of your devices to reach a resource.</Empty>
      ) : (
        <Table
          caption="What your devices reach"
          rows={data.data}
          keyOf={(resource) => resource.id}
          columns={[
            { head: 'Resource', cell: ({ name }) => <span title={name}>{name}</span> },
            { head: 'Addresses', cell: ({ addresses }) => addresses.map(({ address }) => address).join(', ') },
            {
              head: 'Protocols',
              cell: ({ addresses }) => [...new Set(addresses.flatMap(({ protocols }) => protocols))].join(', '),
            },
            { head: 'By', cell: ({ devices }) => devices.map(({ name }) => name).join(', ') },
          ]}
        />
      )}
    </section>
  );
}
