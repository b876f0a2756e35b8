import { type FormEvent, useState } from 'react';
import { type ApiFailure, call, failureOf, get } from '../data/api.ts';
import { type KeyPair, makeKeyPair, withKey } from '../data/device-keys.ts';
import { queryClient, useRead } from '../data/queries.ts';
import { Button, Choice, Copy, Dialog, Field } from '../kit/kit.tsx';
import { Qr } from '../kit/qr.tsx';

interface Added {
  readonly name: string;
  readonly text: string;
  readonly notes: readonly string[];
}

interface NewDeviceProps {
  readonly mine: boolean;
  readonly onAdded: (added: Added) => void;
  readonly onClose: () => void;
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
        <NewDevice mine={mine} onAdded={setAdded} onClose={close} />
      ) : (
        <Connect added={added} onClose={close} />
      )}
    </Dialog>
  );
}

function NewDevice({ mine, onAdded, onClose }: NewDeviceProps) {
  const users = useRead<'listUsers'>('user', '/tenants/users?limit=100', !mine);
  const [name, setName] = useState('');
  const [owner, setOwner] = useState('');
  const [failure, setFailure] = useState<ApiFailure | null>(null);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    try {
      const keys = await makeKeyPair();
      const { text, notes = [] } = await (mine ? addOwn(name, keys) : add(name, keys, owner));
      await queryClient.invalidateQueries({ queryKey: [mine ? 'my-devices' : 'device'] });
      onAdded({ name, text: withKey(text, keys), notes });
    } catch (error) {
      setFailure(failureOf(error));
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
      {!mine && (
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
      )}
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

async function add(name: string, { publicKey }: KeyPair, owner: string) {
  const body = { name, publicKey, ...(owner === '' ? {} : { user: owner }) };
  const { id } = await call<'createDevice'>('POST', '/tenants/devices', body);
  return get<'getDeviceConfiguration'>(`/tenants/devices/${id}/configuration`);
}

async function addOwn(name: string, { publicKey }: KeyPair) {
  const { id } = await call<'addMyDevice'>('POST', '/tenants/me/devices', { name, publicKey });
  return get<'getMyDeviceConfiguration'>(`/tenants/me/devices/${id}/configuration`);
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
