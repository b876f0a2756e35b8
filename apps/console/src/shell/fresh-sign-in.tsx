import type { Me } from '@sallyport/contract';
import { type FormEvent, useEffect, useRef, useState } from 'react';
import { ApiFailure, call, messageOf, onFreshSignIn } from '../data/api.ts';
import { signInWithPasskey } from '../data/passkeys.ts';
import { useProviders } from '../data/providers.ts';
import { queryClient } from '../data/queries.ts';
import { Button, Dialog, Field } from '../kit/kit.tsx';
import { ProviderButtons } from '../pages/provider-buttons.tsx';

/** Asks for a new proof before an operation that gives lasting access, then lets it go on. */
export function FreshSignIn({ me }: { me: Me }) {
  const [open, setOpen] = useState(false);
  const [password, setPassword] = useState('');
  const [code, setCode] = useState<string | null>(null);
  const [error, setError] = useState<string | null>(null);
  const providers = useProviders(me.tenant.slug, open);
  const waiting = useRef<(signedIn: boolean) => void>(undefined);
  useEffect(() => {
    onFreshSignIn(() => {
      setOpen(true);
      return new Promise((resolve) => {
        waiting.current = resolve;
      });
    });
  }, []);
  const end = (signedIn: boolean) => {
    setOpen(false);
    setPassword('');
    setCode(null);
    setError(null);
    waiting.current?.(signedIn);
    waiting.current = undefined;
    if (signedIn) void queryClient.invalidateQueries({ queryKey: ['me'] });
  };
  const attempt = async (work: () => Promise<unknown>) => {
    try {
      await work();
      end(true);
    } catch (failure) {
      if (failure instanceof ApiFailure && failure.code === 'second_factor_required') setCode('');
      else setError(messageOf(failure));
    }
  };
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const body = { tenant: me.tenant.slug, email: me.email, password, ...(code === null ? {} : { code }) };
    void attempt(() => call<'signInWithPassword'>('POST', '/sign-in/password', body));
  };
  return (
    <Dialog title="Confirm that it is you" open={open} onClose={() => end(false)}>
      <p className="muted">This gives lasting access, so it needs a sign-in within the last ten minutes.</p>
      {error !== null && (
        <p className="note bad" role="alert">
          {error}
        </p>
      )}
      <Button look="primary wide" onClick={() => void attempt(signInWithPasskey)}>
        Use a passkey
      </Button>
      <ProviderButtons
        providers={providers.data ?? []}
        verb="Leave this page and use"
        page={location.pathname + location.search}
        fresh
        onError={setError}
      />
      <form className="stack" onSubmit={submit}>
        <Field
          label={`Password of ${me.email}`}
          type="password"
          autoComplete="current-password"
          value={password}
          onChange={(event) => setPassword(event.target.value)}
          required
        />
        {code !== null && (
          <Field
            label="Code of the authenticator app, or a recovery code"
            autoComplete="one-time-code"
            value={code}
            onChange={(event) => setCode(event.target.value)}
            required
          />
        )}
        <footer className="row">
          <Button look="wide" type="submit">
            Use the password
          </Button>
        </footer>
      </form>
    </Dialog>
  );
}
