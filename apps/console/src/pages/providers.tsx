import type { Provider, ProviderCheck } from '@sallyport/contract';
import { useState } from 'react';
import { call, messageOf } from '../data/api.ts';
import { useRead } from '../data/queries.ts';
import { ProviderDialog } from '../forms/provider-form.tsx';
import { Button, Copy, Dialog, Skeleton, Status, Table } from '../kit/kit.tsx';
import { PlanDialog, type PlannedWrite } from '../kit/plan.tsx';

/** The OpenID Connect providers of the tenant, for owners. */
export function Providers() {
  const { data, error } = useRead<'listProviders'>('provider', '/tenants/sign-in-providers');
  const [form, setForm] = useState<{ id?: string } | null>(null);
  const [checked, setChecked] = useState<Provider | null>(null);
  const [plan, setPlan] = useState<PlannedWrite | null>(null);
  const remove = ({ id, name }: Provider) =>
    setPlan({
      ...{ title: `Delete ${name}?`, method: 'DELETE', path: `/tenants/sign-in-providers/${id}` },
      ...{ verb: 'Delete provider', done: `Deleted ${name}.` },
    });
  return (
    <section className="card" aria-labelledby="providers">
      <header className="row between">
        <h2 id="providers">Sign-in providers</h2>
        <Button onClick={() => setForm({})}>New provider</Button>
      </header>
      {error !== null && <p className="note bad">{messageOf(error)}</p>}
      {data === undefined && error === null && (
        <div className="body">
          <Skeleton lines={2} />
        </div>
      )}
      {data?.length === 0 && (
        <p className="body muted">
          People sign in with passkeys and passwords. Add Keycloak, Entra ID, Google or Okta to let them use the
          accounts of the company.
        </p>
      )}
      {data !== undefined && data.length > 0 && (
        <Table
          caption="Sign-in providers"
          rows={data}
          keyOf={({ id }) => id}
          columns={[
            {
              head: 'Provider',
              cell: ({ name }: Provider) => name,
            },
            {
              head: 'State',
              cell: ({ enabled }: Provider) =>
                enabled ? <Status meaning="good">Enabled</Status> : <Status meaning="off">Disabled</Status>,
            },
            {
              head: 'Actions',
              end: true,
              cell: (provider: Provider) => (
                <span className="row end">
                  <Button look="plain" onClick={() => setForm({ id: provider.id })}>
                    Change<span className="visually-hidden"> {provider.name}</span>
                  </Button>
                  <Button look="plain" onClick={() => setChecked(provider)}>
                    Set up<span className="visually-hidden"> {provider.name}</span>
                  </Button>
                  <Button look="plain" onClick={() => remove(provider)}>
                    Delete<span className="visually-hidden"> {provider.name}</span>
                  </Button>
                </span>
              ),
            },
          ]}
        />
      )}
      <ProviderDialog
        id={form?.id}
        open={form !== null}
        onClose={() => setForm(null)}
        onMade={(provider) => {
          setForm(null);
          setChecked(provider);
        }}
      />
      <Dialog title={`Set up ${checked?.name ?? ''}`} open={checked !== null} onClose={() => setChecked(null)}>
        {checked !== null && <SetUp provider={checked} />}
      </Dialog>
      <PlanDialog write={plan} onClose={() => setPlan(null)} />
    </section>
  );
}

/** What to enter at the provider, and whether it works. */
function SetUp({ provider }: { provider: Provider }) {
  const [check, setCheck] = useState<ProviderCheck | null>(null);
  const [failure, setFailure] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const run = async () => {
    setBusy(true);
    setFailure(null);
    try {
      setCheck(await call<'checkProvider'>('POST', `/tenants/sign-in-providers/${provider.id}/check`));
    } catch (error) {
      setFailure(messageOf(error));
    } finally {
      setBusy(false);
    }
  };
  return (
    <div className="stack">
      <p>Enter these addresses at the provider.</p>
      <Uri label="Redirect URI" text={provider.redirectUri} />
      <Uri label="Back-channel logout URI" text={provider.logoutUri} />
      {failure !== null && (
        <p className="note bad" role="alert">
          {failure}
        </p>
      )}
      <div role="status" className="stack tight">
        {check?.ok === true && <Status meaning="good">People can sign in through it</Status>}
        {check?.findings.map(({ severity, message }) => (
          <p key={message} className={`note ${severity === 'error' ? 'bad' : 'warn'}`}>
            <strong>{severity === 'error' ? 'Error:' : 'Warning:'}</strong> {message}
          </p>
        ))}
      </div>
      <footer className="row">
        <Button look="primary" busy={busy} onClick={() => void run()}>
          Check provider
        </Button>
      </footer>
    </div>
  );
}

function Uri({ label, text }: { label: string; text: string | undefined }) {
  if (text === undefined) return null;
  return (
    <fieldset className="field">
      <legend className="label">{label}</legend>
      <span className="row between">
        <code className="mono grow">{text}</code>
        <Copy text={text} />
      </span>
    </fieldset>
  );
}
