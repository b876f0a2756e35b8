import type { SignInSettings } from '@sallyport/contract';
import { type FormEvent, useState } from 'react';
import { type ApiFailure, call, failureOf, messageOf } from '../data/api.ts';
import { queryClient, useRead } from '../data/queries.ts';
import { Button, Choice, Field, Skeleton, toast } from '../kit/kit.tsx';
import { ApiKeys } from '../settings/api-keys.tsx';
import { EnrolmentKeys } from '../settings/enrolment-keys.tsx';
import { TenantSettings } from '../settings/tenant.tsx';
import { useSignedIn } from '../shell/me.ts';
import { theme as chosenTheme, setTheme, type Theme } from '../shell/theme.ts';
import { KeptSteps } from './first-steps.tsx';
import { Providers } from './providers.tsx';

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
          {me.role === 'OWNER' && <Providers />}
          {me.role === 'OWNER' && <ApiKeys />}
          <EnrolmentKeys />
        </div>
        <div className="stack wide">
          <SignIn may={me.role === 'OWNER'} />
          <Look />
          <KeptSteps />
        </div>
      </div>
    </>
  );
}

function SignIn({ may }: { may: boolean }) {
  const { data, error } = useRead<'getSignInSettings'>('tenant', '/tenants/sign-in-settings');
  const [changes, setChanges] = useState<Partial<SignInSettings>>({});
  const [failure, setFailure] = useState<ApiFailure | null>(null);
  if (data === undefined) return error === null ? <Skeleton /> : <p className="note bad">{messageOf(error)}</p>;
  const now = { ...data, ...changes };
  const toggle = (method: SignInSettings['methods'][number]) => {
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
          {(['PASSKEY', 'PASSWORD', 'PROVIDER'] as const).map((method) => (
            <label key={method} className="check">
              <input type="checkbox" checked={now.methods.includes(method)} onChange={() => toggle(method)} />
              {{ PASSKEY: 'Passkey', PASSWORD: 'Password', PROVIDER: 'Sign-in provider' }[method]}
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
      </div>
    </section>
  );
}
