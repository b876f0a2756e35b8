import type { Me, SignInLink } from '@sallyport/contract';
import { type FormEvent, useEffect, useState } from 'react';
import { ApiFailure, call, messageOf } from '../data/api.ts';
import { makePasskey } from '../data/passkeys.ts';
import { queryClient } from '../data/queries.ts';
import { Button, Field, Skeleton } from '../kit/kit.tsx';
import { Mark } from '../shell/icons.tsx';

/** The secret stands behind # in the address, so no server and no proxy sees it. It is taken out of the address at once. */
const secret = location.hash.slice(1);
history.replaceState(null, '', location.pathname);

/** Opens a set-up, invitation or reset link: the person sets a passkey or a password, and is signed in. */
export function LinkPage() {
  const [link, setLink] = useState<SignInLink | null>(null);
  const [error, setError] = useState<string | null>(null);
  useEffect(() => {
    call<'openSignInLink'>('POST', '/sign-in/links', { secret }).then(setLink, (failure) =>
      setError(messageOf(failure)),
    );
  }, []);
  return (
    <main className="centre">
      <span className="brand">
        <Mark />
        Sallyport
      </span>
      {link === null && error === null && <Skeleton lines={4} />}
      {error !== null && (
        <>
          <h1>This link does not work</h1>
          <p className="note bad">{error}</p>
          <a href="/console/sign-in">Go to the sign-in page</a>
        </>
      )}
      {link !== null && <Spend link={link} />}
    </main>
  );
}

const titles: Record<SignInLink['purpose'], (link: SignInLink) => string> = {
  SET_UP: () => 'Set up Sallyport',
  INVITATION: ({ tenant }) => `Join ${tenant}`,
  PASSWORD: () => 'Choose a new way to sign in',
  OPERATOR: () => 'Choose a new way to sign in',
};

function Spend({ link }: { link: SignInLink }) {
  const [email, setEmail] = useState('');
  const [password, setPassword] = useState('');
  const [code, setCode] = useState('');
  const [failure, setFailure] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const person = link.email === undefined ? { email } : {};
  const attempt = async (work: () => Promise<Me>) => {
    setBusy(true);
    setFailure(null);
    try {
      queryClient.setQueryData(['me'], await work());
      location.assign('/console/');
    } catch (error) {
      setFailure(error);
      setBusy(false);
    }
  };
  const withPasskey = async () => {
    const options = await call<'getPasskeyLinkOptions'>('POST', '/sign-in/links/passkey/options', {
      secret,
      ...person,
    });
    const made = await makePasskey(options);
    return call<'addPasskeyByLink'>('POST', '/sign-in/links/passkey', { secret, ...person, ...made } as never);
  };
  const submit = (event: FormEvent) => {
    event.preventDefault();
    void attempt(() =>
      call<'setPasswordByLink'>('POST', '/sign-in/links/password', {
        ...{ secret, ...person, password },
        ...(link.secondFactor ? { code } : {}),
      }),
    );
  };
  const field = (pointer: string) => (failure instanceof ApiFailure ? failure.field(pointer) : undefined);
  return (
    <>
      <h1>{titles[link.purpose](link)}</h1>
      {link.purpose === 'SET_UP' && (
        <p className="muted">You become the owner of the tenant “{link.tenant}”: you may do everything in it.</p>
      )}
      {link.email !== undefined && <p>For {link.email}</p>}
      {failure !== null && (
        <p className="note bad" role="alert">
          {messageOf(failure)}
        </p>
      )}
      <form className="stack" onSubmit={submit}>
        {link.email === undefined && (
          <Field
            label="E-mail address"
            type="email"
            autoComplete="username"
            value={email}
            onChange={(event) => setEmail(event.target.value)}
            error={field('/email')}
            required
          />
        )}
        {link.methods.includes('PASSKEY') && (
          <>
            <Button
              look="primary wide"
              busy={busy}
              disabled={link.email === undefined && !/.@./.test(email)}
              onClick={() => void attempt(withPasskey)}
            >
              Use a passkey
            </Button>
            <p className="muted small">
              A passkey lives on your device or security key. It cannot be guessed, and works on no copy of this page.
            </p>
          </>
        )}
        <Field
          label={link.methods.includes('PASSKEY') ? 'Or choose a password' : 'Choose a password'}
          type="password"
          autoComplete="new-password"
          minLength={12}
          hint="12 characters or more. Several unrelated words make a good one."
          value={password}
          onChange={(event) => setPassword(event.target.value)}
          error={field('/password')}
          required
        />
        {link.secondFactor && (
          <Field
            label="Code"
            hint="Six digits of your authenticator app, or a recovery code"
            autoComplete="one-time-code"
            value={code}
            onChange={(event) => setCode(event.target.value)}
            error={field('/code')}
            required
          />
        )}
        <Button type="submit" look="wide" busy={busy}>
          Use the password
        </Button>
      </form>
    </>
  );
}
