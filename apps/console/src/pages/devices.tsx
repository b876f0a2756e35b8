import type { Device } from '@sallyport/contract';
import { useSearch } from '@tanstack/react-router';
import { type FormEvent, useState } from 'react';
import { ApiFailure, call, get, messageOf } from '../data/api.ts';
import { makeKeyPair, withKey } from '../data/device-keys.ts';
import { mayWrite, queryClient, useRead } from '../data/queries.ts';
import {
  Ago,
  Button,
  Choice,
  Copy,
  Dialog,
  Empty,
  Field,
  type Meaning,
  Skeleton,
  Status,
  Table,
  toast,
} from '../kit/kit.tsx';
import { Pages, usePage } from '../kit/pages.tsx';
import { PlanDialog, type PlannedWrite } from '../kit/plan.tsx';
import { Qr } from '../kit/qr.tsx';
import { useSignedIn } from '../shell/me.ts';

const meanings: Record<Device['status'], Meaning> = { Online: 'good', Offline: 'off', Deactivated: 'warn' };

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
              { head: 'Status', cell: ({ status }) => <Status meaning={meanings[status]}>{status}</Status> },
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

interface Added {
  readonly name: string;
  readonly text: string;
  readonly notes: readonly string[];
}

function AddDevice({ open, onClose }: { open: boolean; onClose: () => void }) {
  const [added, setAdded] = useState<Added | null>(null);
  const close = () => {
    setAdded(null);
    onClose();
  };
  return (
    <Dialog title={added === null ? 'Add a device' : `Connect ${added.name}`} open={open} onClose={close}>
      {added === null ? <NewDevice onAdded={setAdded} onClose={close} /> : <Connect added={added} onClose={close} />}
    </Dialog>
  );
}

function NewDevice({ onAdded, onClose }: { onAdded: (added: Added) => void; onClose: () => void }) {
  const users = useRead<'listUsers'>('user', '/tenants/users?limit=100');
  const [name, setName] = useState('');
  const [owner, setOwner] = useState('');
  const [failure, setFailure] = useState<ApiFailure | null>(null);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    try {
      const keys = await makeKeyPair();
      const body = { name, publicKey: keys.publicKey, ...(owner === '' ? {} : { user: owner }) };
      const { id } = await call<'createDevice'>('POST', '/tenants/devices', body);
      const { text, notes = [] } = await get<'getDeviceConfiguration'>(`/tenants/devices/${id}/configuration`);
      await queryClient.invalidateQueries({ queryKey: ['device'] });
      onAdded({ name, text: withKey(text, keys), notes });
    } catch (error) {
      setFailure(error instanceof ApiFailure ? error : new ApiFailure('internal', messageOf(error)));
    }
  };
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
        maxLength={120}
      />
      <Choice
        label="Owner"
        hint="Policies for people and groups count for the owner’s devices"
        value={owner}
        onChange={(event) => setOwner(event.target.value)}
      >
        <option value="">Nobody</option>
        {(users.data?.data ?? []).map(({ id, email }) => (
          <option key={id} value={id}>
            {email}
          </option>
        ))}
      </Choice>
      <p className="muted small">Its key is made in this browser. The controller never gets the private key.</p>
      <footer className="row">
        <Button onClick={onClose}>Cancel</Button>
        <Button type="submit" look="primary">
          Add device
        </Button>
      </footer>
    </form>
  );
}

function Connect({ added: { name, text, notes }, onClose }: { added: Added; onClose: () => void }) {
  const save = () => {
    const url = URL.createObjectURL(new Blob([text], { type: 'text/plain' }));
    const file = `${name.replaceAll(/[^A-Za-z0-9_-]+/g, '-').slice(0, 15) || 'sallyport'}.conf`;
    Object.assign(document.createElement('a'), { href: url, download: file }).click();
    URL.revokeObjectURL(url);
  };
  return (
    <div className="stack">
      <p>Scan this with the WireGuard app, or load the file. The configuration is shown only now.</p>
      <div className="row">
        <Qr text={text} about={`WireGuard configuration of ${name}`} />
      </div>
      <div className="row">
        <Button onClick={save}>Download file</Button>
        <Copy text={text} label="Copy configuration" />
      </div>
      {notes.map((note) => (
        <p key={note} className="note">
          {note}
        </p>
      ))}
      <footer>
        <Button look="primary" onClick={onClose}>
          Close
        </Button>
      </footer>
    </div>
  );
}
