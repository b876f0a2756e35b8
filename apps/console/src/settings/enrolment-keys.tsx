import type { EnrolmentKey } from '@sallyport/contract';
import { useState } from 'react';
import { call, messageOf } from '../data/api.ts';
import { queryClient, useRead } from '../data/queries.ts';
import { Form, useForm } from '../kit/form.tsx';
import { Ago, Button, Copy, Dialog, Field, Secret, Skeleton, Status, Table, toast } from '../kit/kit.tsx';
import { type Picked, Picker } from '../kit/picker.tsx';

/** Keys that let a device with our client register itself, once each. */
export function EnrolmentKeys() {
  const { data, error } = useRead<'listEnrolmentKeys'>('enrolment-key', '/tenants/enrolment-keys');
  const [creating, setCreating] = useState(false);
  const remove = async ({ id, name = id }: EnrolmentKey) => {
    try {
      await call<'deleteEnrolmentKey'>('DELETE', `/tenants/enrolment-keys/${id}`);
      await queryClient.invalidateQueries({ queryKey: ['enrolment-key'] });
      toast(`Deleted the enrolment key ${name}.`);
    } catch (failure) {
      toast(messageOf(failure));
    }
  };
  return (
    <section className="card" aria-labelledby="enrolment-keys">
      <header className="row between">
        <h2 id="enrolment-keys">Enrolment keys</h2>
        <Button onClick={() => setCreating(true)}>New enrolment key</Button>
      </header>
      {data === undefined ? (
        <div className="body">{error === null ? <Skeleton lines={3} /> : <p>{messageOf(error)}</p>}</div>
      ) : data.length === 0 ? (
        <p className="body muted">
          A key lets a device with the Sallyport client register itself, once. Phones and other WireGuard apps are added
          on the page of devices.
        </p>
      ) : (
        <Table
          caption="Enrolment keys"
          rows={data}
          keyOf={({ id }) => id}
          columns={[
            { head: 'Device', cell: ({ name }) => name ?? <span className="muted">host name</span> },
            { head: 'Owner', cell: ({ user }) => user?.email ?? <span className="muted">none</span> },
            { head: 'Status', cell: (key) => <KeyStatus enrolmentKey={key} /> },
            { head: 'Ends', end: true, cell: ({ expiresAt }) => <Ago at={expiresAt} /> },
            {
              head: 'Actions',
              end: true,
              cell: (key: EnrolmentKey) => (
                <Button look="plain" onClick={() => void remove(key)}>
                  Delete<span className="visually-hidden"> the enrolment key {key.name}</span>
                </Button>
              ),
            },
          ]}
        />
      )}
      <Dialog title="New enrolment key" open={creating} onClose={() => setCreating(false)}>
        <NewKey onClose={() => setCreating(false)} />
      </Dialog>
    </section>
  );
}

function KeyStatus({ enrolmentKey: { usedAt, expiresAt } }: { enrolmentKey: EnrolmentKey }) {
  if (usedAt !== undefined) return <Status meaning="good">Used</Status>;
  if (Date.parse(expiresAt) < Date.now()) return <Status meaning="off">Expired</Status>;
  return <Status meaning="wait">Open</Status>;
}

const labels = { name: 'Name of the device', user: 'Owner' };

function NewKey({ onClose }: { onClose: () => void }) {
  const [made, setMade] = useState<EnrolmentKey | null>(null);
  const form = useForm<{ name: string; user: readonly Picked[] }>(labels, { name: '', user: [] });
  if (made !== null) return <Made made={made} onClose={onClose} />;
  return (
    <Form
      form={form}
      verb="Create enrolment key"
      write={({ name, user }) => ({
        title: 'New enrolment key',
        // The device does not exist yet, and gains nothing before it registers.
        direct: true,
        method: 'POST',
        path: '/tenants/enrolment-keys',
        body: { name: name === '' ? null : name, user: user[0]?.id ?? null },
        verb: 'Create enrolment key',
        done: 'Created the enrolment key.',
      })}
      onDone={(answer) => setMade(answer as EnrolmentKey)}
    >
      <Field label={labels.name} hint="Left empty, its host name" {...form.field('name')} maxLength={120} />
      <Picker
        label={labels.user}
        kind="user"
        single
        hint="Without an owner, only policies about devices count."
        chosen={form.values.user}
        onChange={(user) => form.set({ user })}
        error={form.error('user')}
      />
    </Form>
  );
}

function Made({ made, onClose }: { made: EnrolmentKey; onClose: () => void }) {
  const { data: tenant } = useRead<'getTenant'>('tenant', '/tenants/settings');
  const installUrl = tenant?.installUrl;
  const line =
    installUrl === undefined
      ? `sudo bin/sally up --controller ${location.origin} --enrolment-key-file -`
      : `curl -fsSL ${installUrl}/client | sudo sh`;
  return (
    <>
      <p>
        Run this on the device{installUrl === undefined && ', in a checkout of Sallyport'}. Then paste the key there and
        press Enter.
      </p>
      <code className="codeblock">{line}</code>
      <span>
        <Copy text={line} label="Copy line" />
      </span>
      <Secret text={made.key ?? ''} about="Enrolment key, good for one device." file="sallyport.key" />
      <footer className="row">
        <Button look="primary" onClick={onClose}>
          Close
        </Button>
      </footer>
    </>
  );
}
