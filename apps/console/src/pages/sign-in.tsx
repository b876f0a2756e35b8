import type { Me } from '@sallyport/contract';
import { type FormEvent, useState } from 'react';
import { ApiFailure, call, messageOf } from '../data/api.ts';
import { signInWithPasskey } from '../data/passkeys.ts';
import { useProviders } from '../data/providers.ts';
import { queryClient, useRead } from '../data/queries.ts';
import { Button, Field, Skeleton } from '../kit/kit.tsx';
import { Mark } from '../shell/icons.tsx';
import { targetOf } from '../shell/target.ts';
import { ProviderButtons } from './provider-buttons.tsx';

/** Signs a person in, with a passkey, through a provider, or with a password. */
export function SignInPage() {
  const to = targetOf(location.search);
  const options = useRead<'getSignInOptions'>('sign-in', '/sign-in');
  const [error, setError] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const [tenant, setTenant] = useState(() => localStorage.getItem('tenant') ?? '');
  const several = options.data?.tenants === 'SEVERAL';
  const asked = options.data?.available === true && (!several || tenant !== '');
  const providers = useProviders(several ? tenant : null, asked);
  const enter = (me: Me) => {
    queryClient.clear();
    queryClient.setQueryData(['me'], me);
    location.assign(`/console${to ?? '/'}`);
  };
  const attempt = async (work: () => Promise<Me>) => {
    setBusy(true);
    setError(null);
    try {
      enter(await work());
    } catch (failure) {
      if (failure instanceof ApiFailure && failure.code === 'second_factor_required') throw failure;
      setError(messageOf(failure));
    } finally {
      setBusy(false);
    }
  };
  return (
    <main className="centre">
      <span className="brand">
        <Mark />
        Sallyport
      </span>
      <h1>Sign in</h1>
      {options.isPending && <Skeleton lines={4} />}
      {options.error !== null && <p className="note bad">{messageOf(options.error)}</p>}
      {options.data?.available === false && <p className="note warn">{options.data.reason}</p>}
      {options.data?.setUp === true && (
        <div className="note">
          <p>
            <strong>This controller has no owner yet.</strong>
          </p>
          <p>
            It made a set-up link when it started. Its terminal shows the link, or the file <code>set-up-link</code> in
            its data directory holds it. Open that link to become the owner. A restart of the controller makes a new
            one.
          </p>
        </div>
      )}
      {error !== null && (
        <p className="note bad" role="alert">
          {error}
        </p>
      )}
      {options.data?.available === true && (
        <>
          <Button look="primary wide" busy={busy} onClick={() => void attempt(signInWithPasskey)}>
            Sign in with a passkey
          </Button>
          <ProviderButtons
            providers={providers.data ?? []}
            verb="Sign in with"
            page={`/console${to ?? '/'}`}
            // A command line needs a fresh sign-in anyway.
            fresh={to?.startsWith('/cli?') === true}
            onError={setError}
          />
          <PasswordForm
            several={several}
            mails={options.data.forgotPassword}
            busy={busy}
            attempt={attempt}
            onTenant={setTenant}
          />
        </>
      )}
    </main>
  );
}

function PasswordForm({
  several,
  mails,
  busy,
  attempt,
  onTenant,
}: {
  several: boolean;
  /** Whether the controller mails links for new passwords. */
  mails: boolean;
  busy: boolean;
  attempt: (work: () => Promise<Me>) => Promise<void>;
  /** Told when the short name of the tenant is complete. */
  onTenant: (slug: string) => void;
}) {
  const [tenant, setTenant] = useState(() => localStorage.getItem('tenant') ?? '');
  const [email, setEmail] = useState('');
  const [password, setPassword] = useState('');
  const [code, setCode] = useState<string | null>(null);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (several) localStorage.setItem('tenant', tenant);
    const body = { ...(several ? { tenant } : {}), email, password, ...(code === null ? {} : { code }) };
    attempt(() => call<'signInWithPassword'>('POST', '/sign-in/password', body)).catch(() => setCode(''));
  };
  return (
    <form className="stack" onSubmit={submit}>
      <p className="muted small">Or with a password</p>
      {several && (
        <Field
          label="Tenant"
          hint="Its short name, as your administrator told you"
          value={tenant}
          onChange={(event) => setTenant(event.target.value.trim().toLowerCase())}
          onBlur={() => {
            localStorage.setItem('tenant', tenant);
            onTenant(tenant);
          }}
          autoCapitalize="none"
          required
        />
      )}
      <Field
        label="E-mail address"
        type="email"
        autoComplete="username"
        value={email}
        onChange={(event) => setEmail(event.target.value)}
        required
      />
      <Field
        label="Password"
        type="password"
        autoComplete="current-password"
        value={password}
        onChange={(event) => setPassword(event.target.value)}
        required
      />
      {code !== null && (
        <Field
          label="Code"
          hint="Six digits of your authenticator app, or a recovery code"
          autoComplete="one-time-code"
          inputMode="text"
          autoFocus
          value={code}
          onChange={(event) => setCode(event.target.value)}
          required
        />
      )}
      <Button type="submit" look="wide" busy={busy}>
        Sign in
      </Button>
      <Forgotten mails={mails} body={{ ...(several ? { tenant } : {}), email }} ready={!several || tenant !== ''} />
    </form>
  );
}

/** Asks for a new password by mail, with the address of the form. Elsewhere an administrator helps. */
function Forgotten({
  mails,
  body,
  ready,
}: {
  mails: boolean;
  body: { tenant?: string; email: string };
  ready: boolean;
}) {
  const [said, setSaid] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  if (!mails)
    return <p className="muted small">Forgot your password? An administrator can make a link for a new one.</p>;
  const ask = async () => {
    if (!ready || !/.@./.test(body.email)) return setSaid('Type your e-mail address above, then ask again.');
    setBusy(true);
    const sent = `If ${body.email} has an account with a password, a mail with a link is on its way.`;
    setSaid(
      await call<'forgotPassword'>('POST', '/sign-in/forgotten', body).then(
        () => sent,
        (failure) => messageOf(failure),
      ),
    );
    setBusy(false);
  };
  return (
    <>
      <Button look="wide" busy={busy} onClick={() => void ask()}>
        Forgot your password?
      </Button>
      <p className="muted small" role="status">
        {said}
      </p>
    </>
  );
}
