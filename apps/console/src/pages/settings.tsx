import type { ApiKey, SignInSettings } from '@sallyport/contract';
import { type FormEvent, useState } from 'react';
import { type ApiFailure, call, failureOf, messageOf } from '../data/api.ts';
import { queryClient, useRead } from '../data/queries.ts';
import { Ago, Button, Choice, Dialog, Field, Secret, Skeleton, Table, toast } from '../kit/kit.tsx';
import { useSignedIn } from '../shell/me.ts';
import { theme as chosenTheme, setTheme, type Theme } from '../shell/theme.ts';

/** Settings of the tenant, how people sign in, API keys, and the look of the console. */
export function SettingsPage() {
  const me = useSignedIn();
  return (
    <>
      <div className="head">
        <h1>Settings</h1>
      </div>
      <div className="columns">
        <div className="stack wide">
          <TenantSettings may={me.role === 'OWNER'} />
          {me.role === 'OWNER' && <Keys />}
        </div>
        <div className="stack wide">
          <SignIn may={me.role === 'OWNER'} />
          <Look />
        </div>
      </div>
    </>
  );
}

function TenantSettings({ may }: { may: boolean }) {
  const { data, error } = useRead<'getTenant'>('tenant', '/tenants/settings');
  const [changes, setChanges] = useState<Record<string, string>>({});
  const [failure, setFailure] = useState<ApiFailure | null>(null);
  if (data === undefined) return error === null ? <Skeleton /> : <p className="note bad">{messageOf(error)}</p>;
  const value = (name: 'name' | 'timeZone' | 'leaseSeconds' | 'drainSeconds' | 'mtu') =>
    changes[name] ?? String(data[name]);
  const set = (name: string) => (event: { target: { value: string } }) =>
    setChanges({ ...changes, [name]: event.target.value });
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    try {
      const body = {
        name: value('name'),
        timeZone: value('timeZone'),
        leaseSeconds: Number(value('leaseSeconds')),
        drainSeconds: Number(value('drainSeconds')),
        mtu: Number(value('mtu')),
        localNetwork: (changes.localNetwork ?? data.localNetwork) as typeof data.localNetwork,
      };
      await call<'updateTenant'>('PATCH', '/tenants/settings', body);
      await queryClient.invalidateQueries();
      setChanges({});
      setFailure(null);
      toast('Saved the settings.');
    } catch (problem) {
      setFailure(failureOf(problem));
    }
  };
  return (
    <section className="card" aria-labelledby="tenant">
      <header>
        <h2 id="tenant">Tenant</h2>
      </header>
      <form className="body stack" onSubmit={submit}>
        {failure !== null && failure.fields.length === 0 && <p className="note bad">{failure.message}</p>}
        <Field
          label="Name"
          value={value('name')}
          onChange={set('name')}
          error={failure?.field('/name')}
          disabled={!may}
          required
        />
        <Field
          label="Time zone"
          hint="Of admission rules that name none, such as Europe/Zurich"
          value={value('timeZone')}
          onChange={set('timeZone')}
          error={failure?.field('/timeZone')}
          disabled={!may}
          required
        />
        <Field
          label="Lease, seconds"
          hint="How long gateways go on without the controller"
          inputMode="numeric"
          value={value('leaseSeconds')}
          onChange={set('leaseSeconds')}
          error={failure?.field('/leaseSeconds')}
          disabled={!may}
          required
        />
        <Field
          label="Drain, seconds"
          hint="How long flows may go on through a gateway in maintenance"
          inputMode="numeric"
          value={value('drainSeconds')}
          onChange={set('drainSeconds')}
          error={failure?.field('/drainSeconds')}
          disabled={!may}
          required
        />
        <Field
          label="MTU, bytes"
          hint="Of a packet in the tunnel, 576 to 9000"
          inputMode="numeric"
          value={value('mtu')}
          onChange={set('mtu')}
          error={failure?.field('/mtu')}
          disabled={!may}
          required
        />
        <Choice
          label="Local network"
          hint="What a full tunnel leaves of private networks that a device is connected to"
          value={changes.localNetwork ?? data.localNetwork}
          onChange={set('localNetwork')}
          disabled={!may}
        >
          <option value="CLOSED">Nothing</option>
          <option value="RESOLVERS">Name resolvers only</option>
          <option value="OPEN">Everything, such as printers</option>
        </Choice>
        {may && (
          <footer className="row">
            <Button type="submit" look="primary" disabled={Object.keys(changes).length === 0}>
              Save settings
            </Button>
          </footer>
        )}
      </form>
    </section>
  );
}

function SignIn({ may }: { may: boolean }) {
  const { data, error } = useRead<'getSignInSettings'>('tenant', '/tenants/sign-in-settings');
  const [changes, setChanges] = useState<Partial<SignInSettings>>({});
  const [failure, setFailure] = useState<ApiFailure | null>(null);
  if (data === undefined) return error === null ? <Skeleton /> : <p className="note bad">{messageOf(error)}</p>;
  const now = { ...data, ...changes };
  const toggle = (method: 'PASSKEY' | 'PASSWORD') => {
    const methods = now.methods.includes(method)
      ? now.methods.filter((one) => one !== method)
      : [...now.methods, method];
    setChanges({ ...changes, methods });
  };
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    try {
      await call<'updateSignInSettings'>('PATCH', '/tenants/sign-in-settings', changes);
      await queryClient.invalidateQueries({ queryKey: ['tenant'] });
      setChanges({});
      setFailure(null);
      toast('Saved how people sign in.');
    } catch (problem) {
      setFailure(failureOf(problem));
    }
  };
  return (
    <section className="card" aria-labelledby="sign-in">
      <header>
        <h2 id="sign-in">Sign-in</h2>
      </header>
      <form className="body stack" onSubmit={submit}>
        {failure !== null && (
          <p className="note bad" role="alert">
            {[failure.message, ...failure.fields.map(({ message }) => message)].at(-1)}
          </p>
        )}
        <Field
          label="Short name"
          hint="People type it where the controller serves several tenants"
          value={now.slug}
          onChange={(event) => setChanges({ ...changes, slug: event.target.value })}
          error={failure?.field('/slug')}
          disabled={!may}
          required
        />
        <fieldset className="stack tight" disabled={!may}>
          <legend className="label">Allowed methods</legend>
          {(['PASSKEY', 'PASSWORD'] as const).map((method) => (
            <label key={method} className="check">
              <input type="checkbox" checked={now.methods.includes(method)} onChange={() => toggle(method)} />
              {method === 'PASSKEY' ? 'Passkey' : 'Password'}
            </label>
          ))}
        </fieldset>
        <Choice
          label="Second factor"
          hint="A passkey counts as both factors"
          value={now.secondFactor}
          onChange={(event) => setChanges({ ...changes, secondFactor: event.target.value as 'REQUIRED' })}
          disabled={!may}
        >
          <option value="OPTIONAL">Optional</option>
          <option value="REQUIRED">Required</option>
        </Choice>
        <Field
          label="Idle limit, minutes"
          hint="Minutes without a request after which a session ends"
          inputMode="numeric"
          value={now.idleMinutes}
          onChange={(event) => setChanges({ ...changes, idleMinutes: Number(event.target.value) || 0 })}
          error={failure?.field('/idleMinutes')}
          disabled={!may}
          required
        />
        <Field
          label="Absolute limit, hours"
          hint="Maximum duration of a session, in hours"
          inputMode="numeric"
          value={now.absoluteHours}
          onChange={(event) => setChanges({ ...changes, absoluteHours: Number(event.target.value) || 0 })}
          error={failure?.field('/absoluteHours')}
          disabled={!may}
          required
        />
        {may && (
          <footer className="row">
            <Button type="submit" look="primary" disabled={Object.keys(changes).length === 0}>
              Save sign-in
            </Button>
          </footer>
        )}
      </form>
    </section>
  );
}

function Keys() {
  const { data } = useRead<'listApiKeys'>('api-key', '/tenants/api-keys');
  const [creating, setCreating] = useState(false);
  const remove = async ({ id, name }: ApiKey) => {
    try {
      await call<'deleteApiKey'>('DELETE', `/tenants/api-keys/${id}`);
      await queryClient.invalidateQueries({ queryKey: ['api-key'] });
      toast(`Deleted the key ${name}.`);
    } catch (failure) {
      toast(messageOf(failure));
    }
  };
  return (
    <section className="card" aria-labelledby="keys">
      <header className="row between">
        <h2 id="keys">API keys</h2>
        <Button onClick={() => setCreating(true)}>New key</Button>
      </header>
      {data === undefined ? (
        <div className="body">
          <Skeleton lines={3} />
        </div>
      ) : (
        <Table
          caption="API keys"
          rows={data}
          keyOf={({ id }) => id}
          columns={[
            { head: 'Name', cell: ({ name }) => name },
            { head: 'Begins with', cell: ({ prefix }) => <code>{prefix}</code> },
            { head: 'Role', cell: ({ role }) => role.toLowerCase() },
            { head: 'Last used', end: true, cell: ({ lastUsedAt }) => <Ago at={lastUsedAt} /> },
            {
              head: 'Actions',
              end: true,
              cell: (key: ApiKey) => (
                <Button look="plain" onClick={() => void remove(key)}>
                  Delete<span className="visually-hidden"> {key.name}</span>
                </Button>
              ),
            },
          ]}
        />
      )}
      <Dialog title="New API key" open={creating} onClose={() => setCreating(false)}>
        <NewKey onClose={() => setCreating(false)} />
      </Dialog>
    </section>
  );
}

function NewKey({ onClose }: { onClose: () => void }) {
  const [name, setName] = useState('');
  const [role, setRole] = useState<'OWNER' | 'ADMIN' | 'AUDITOR'>('ADMIN');
  const [key, setKey] = useState<string | null>(null);
  const [failure, setFailure] = useState<string | null>(null);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    try {
      const made = await call<'createApiKey'>('POST', '/tenants/api-keys', { name, role });
      await queryClient.invalidateQueries({ queryKey: ['api-key'] });
      setKey(made.key ?? '');
    } catch (error) {
      setFailure(messageOf(error));
    }
  };
  if (key !== null)
    return (
      <>
        <Secret text={key} about={`API key “${name}”.`} file={`${name}.key`} />
        <footer>
          <Button look="primary" onClick={onClose}>
            Close
          </Button>
        </footer>
      </>
    );
  return (
    <form className="stack" onSubmit={submit}>
      {failure !== null && <p className="note bad">{failure}</p>}
      <Field label="Name" value={name} onChange={(event) => setName(event.target.value)} required maxLength={120} />
      <Choice label="Role" value={role} onChange={(event) => setRole(event.target.value as 'ADMIN')}>
        <option value="ADMIN">Admin: manages the tenant</option>
        <option value="OWNER">Owner: may do everything</option>
        <option value="AUDITOR">Auditor: reads</option>
      </Choice>
      <footer className="row">
        <Button onClick={onClose}>Cancel</Button>
        <Button type="submit" look="primary">
          Create key
        </Button>
      </footer>
    </form>
  );
}

function Look() {
  const [chosen, setChosen] = useState(chosenTheme);
  return (
    <section className="card" aria-labelledby="look">
      <header>
        <h2 id="look">This browser</h2>
      </header>
      <div className="body stack">
        <Choice
          label="Theme"
          value={chosen}
          onChange={(event) => {
            setTheme(event.target.value as Theme);
            setChosen(event.target.value as Theme);
          }}
        >
          <option value="system">As the system</option>
          <option value="light">Light</option>
          <option value="dark">Dark</option>
        </Choice>
        <Button
          onClick={() => {
            localStorage.removeItem('first-steps');
            toast('The first steps are on the overview again.');
          }}
        >
          Show the first steps again
        </Button>
      </div>
    </section>
  );
}
