import type { Device, DryRun, MyDevice } from '@sallyport/contract';
import { useQuery } from '@tanstack/react-query';
import { useRef, useState } from 'react';
import { get, request } from '../data/api.ts';
import { makeKeyPair, withKey } from '../data/device-keys.ts';
import { useRead } from '../data/queries.ts';
import { Form, useForm } from '../kit/form.tsx';
import { Button, Copy, Dialog, Field, Status } from '../kit/kit.tsx';
import { type Picked, Picker } from '../kit/picker.tsx';
import { Qr } from '../kit/qr.tsx';

interface Added {
  readonly id: string;
  readonly name: string;
  readonly text: string;
  readonly notes: readonly string[];
  /** Names of resources that an administrator's device reaches. Own devices are asked for theirs. */
  readonly reaches: readonly string[];
}

interface AddDeviceProps {
  /** Whether the device is the person's own: then no owner is chosen. */
  readonly mine?: boolean;
  readonly open: boolean;
  readonly onClose: () => void;
}

/** Adds a device whose key is made in this browser, and shows its configuration once. */
export function AddDevice({ mine = false, open, onClose }: AddDeviceProps) {
  const [added, setAdded] = useState<Added | null>(null);
  const close = () => {
    setAdded(null);
    onClose();
  };
  return (
    <Dialog title={added === null ? 'Add a device' : `Connect ${added.name}`} open={open} onClose={close}>
      {added === null ? (
        <NewDevice mine={mine} onAdded={setAdded} />
      ) : (
        <Connect added={added} mine={mine} onClose={close} />
      )}
    </Dialog>
  );
}

const labels = { name: 'Name', user: 'Owner' };

function NewDevice({ mine, onAdded }: { mine: boolean; onAdded: (added: Added) => void }) {
  const form = useForm<{ name: string; user: readonly Picked[] }>(labels, { name: '', user: [] });
  const [keys] = useState(makeKeyPair);
  const reaches = useRef<readonly string[]>([]);
  const write = async ({ name, user }: typeof form.values) => {
    const { publicKey } = await keys;
    const done = `Added ${name}.`;
    const common = { title: `Add ${name}`, verb: 'Add device', done };
    if (mine)
      return { ...common, direct: true, method: 'POST', path: '/tenants/me/devices', body: { name, publicKey } };
    const body = { name, publicKey, ...(user[0] === undefined ? {} : { user: user[0].id }) };
    // The plan says what the device will reach. The person sees it beside the configuration.
    const { pairs } = (await request<DryRun>('POST', '/tenants/devices?dry-run=true', body)).value;
    reaches.current = [...new Set(pairs.map(({ resource }) => resource.name))];
    return { ...common, direct: true, method: 'POST', path: '/tenants/devices', body };
  };
  const connect = async (answer: unknown) => {
    const { id, name } = answer as Device | MyDevice;
    const { text, notes = [] } = await (mine
      ? get<'getMyDeviceConfiguration'>(`/tenants/me/devices/${id}/configuration`)
      : get<'getDeviceConfiguration'>(`/tenants/devices/${id}/configuration`));
    onAdded({ id, name, text: withKey(text, await keys), notes, reaches: reaches.current });
  };
  return (
    <Form form={form} verb="Add device" write={write} onDone={connect}>
      <Field label={labels.name} {...form.field('name')} required maxLength={120} />
      {!mine && (
        <Picker
          label={labels.user}
          kind="user"
          single
          hint="Policies for people and groups count for the devices of the owner."
          chosen={form.values.user}
          onChange={(user) => form.set({ user })}
          error={form.error('user')}
        />
      )}
      <p className="muted small">Its key is made in this browser. The controller never gets the private key.</p>
    </Form>
  );
}

interface ConnectProps {
  readonly added: Added;
  readonly mine: boolean;
  readonly onClose: () => void;
}

function Connect({ added: { id, name, text, notes, reaches }, mine, onClose }: ConnectProps) {
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
      {mine ? <MyReach id={id} /> : <Reach names={reaches} />}
      <Connected id={id} mine={mine} />
      {notes.map((note) => (
        <p key={note} className="note">
          {note}
        </p>
      ))}
      <footer className="row">
        <Button look="primary" onClick={onClose}>
          Close
        </Button>
      </footer>
    </div>
  );
}

function Reach({ names }: { names: readonly string[] }) {
  if (names.length === 0) return <p className="note warn">No policy lets it reach a resource yet.</p>;
  const more = names.length - 5;
  return (
    <p>
      It will reach <strong>{names.slice(0, 5).join(', ')}</strong>
      {more > 0 && ` and ${more} more`}.
    </p>
  );
}

function MyReach({ id }: { id: string }) {
  const { data } = useRead<'listMyResources'>('my-devices', '/tenants/me/resources?limit=100');
  if (data === undefined) return null;
  return (
    <Reach names={data.data.filter(({ devices }) => devices.some((one) => one.id === id)).map(({ name }) => name)} />
  );
}

/** Turns green by itself when the first packet has arrived. */
function Connected({ id, mine }: { id: string; mine: boolean }) {
  const { data } = useQuery({
    queryKey: [mine ? 'my-devices' : 'device', 'connected', id],
    refetchInterval: 3000,
    queryFn: async () => {
      if (!mine) return (await get<'getDevice'>(`/tenants/devices/${id}`)).status;
      const { data: own } = await get<'listMyDevices'>('/tenants/me/devices?limit=100');
      return own.find((device) => device.id === id)?.status ?? 'Offline';
    },
  });
  return (
    <p aria-live="polite">
      {data === 'Online' ? (
        <Status meaning="good">Connected</Status>
      ) : (
        <Status meaning="wait">Waiting for its first connection</Status>
      )}
    </p>
  );
}
