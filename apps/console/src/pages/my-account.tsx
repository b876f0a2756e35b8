import type { SignInMethod } from '@sallyport/contract';
import { type FormEvent, useState } from 'react';
import { call, messageOf } from '../data/api.ts';
import { makePasskey } from '../data/passkeys.ts';
import { linkProvider, useProviders } from '../data/providers.ts';
import { queryClient, useRead } from '../data/queries.ts';
import { Form, useForm } from '../kit/form.tsx';
import { Ago, Button, Dialog, Field, Secret, Skeleton, toast } from '../kit/kit.tsx';
import { Qr } from '../kit/qr.tsx';
import { plural } from '../kit/text.ts';
import { clientName } from '../people/sessions.tsx';
import { useSignedIn } from '../shell/me.ts';

/** A person's own account: name, ways to sign in, and sessions. */
export function MyAccountPage() {
  const me = useSignedIn();
  return (
    <>
      <div className="head">
        <h1>My account</h1>
      </div>
      <div className="columns">
        <div className="stack wide">
          <Profile key={me.id} />
          <Sessions />
        </div>
        <Methods />
      </div>
    </>
  );
}

function Profile() {
  const me = useSignedIn();
  const labels = { firstName: 'First name', lastName: 'Last name' };
  const form = useForm(labels, { firstName: me.firstName ?? '', lastName: me.lastName ?? '' });
  return (
    <section className="card" aria-labelledby="profile">
      <header>
        <h2 id="profile">{me.email}</h2>
      </header>
      <div className="body stack">
        <p className="muted">
          {me.isOwner ? 'Owner' : me.role.toLowerCase()} of {me.tenant.name}
        </p>
        <Form
          form={form}
          verb="Save name"
          write={(body) => ({
            title: 'Your name',
            direct: true,
            method: 'PATCH',
            path: '/tenants/me',
            body,
            verb: 'Save name',
            done: 'Saved your name.',
          })}
        >
          <Field label={labels.firstName} autoComplete="given-name" {...form.field('firstName')} maxLength={120} />
          <Field label={labels.lastName} autoComplete="family-name" {...form.field('lastName')} maxLength={120} />
        </Form>
      </div>
    </section>
  );
}

const kinds: Record<SignInMethod['kind'], string> = {
  PASSWORD: 'Password',
  PASSKEY: 'Passkey',
  TOTP: 'Authenticator app',
  RECOVERY_CODES: 'Recovery codes',
  PROVIDER: 'Provider',
};

const namesItself = ({ kind }: SignInMethod): boolean => kind === 'PASSKEY' || kind === 'PROVIDER';

function Methods() {
  const { data } = useRead<'listMyMethods'>('my-methods', '/tenants/me/methods');
  const providers = useProviders(useSignedIn().tenant.slug);
  const [dialog, setDialog] = useState<'password' | 'totp' | null>(null);
  const [codes, setCodes] = useState<readonly string[] | null>(null);
  const act = async (work: () => Promise<unknown>, done: string) => {
    try {
      await work();
      await queryClient.invalidateQueries({ queryKey: ['my-methods'] });
      toast(done);
    } catch (failure) {
      toast(messageOf(failure));
    }
  };
  const addPasskey = () =>
    act(async () => {
      const made = await makePasskey(await call<'getMyPasskeyOptions'>('POST', '/tenants/me/methods/passkeys/options'));
      await call<'addMyPasskey'>('POST', '/tenants/me/methods/passkeys', made as never);
    }, 'Added the passkey.');
  const renew = () =>
    act(
      async () => setCodes((await call<'renewRecoveryCodes'>('POST', '/tenants/me/methods/recovery-codes')).codes),
      'The old codes have ended.',
    );
  const has = (kind: SignInMethod['kind']) => data?.some((method) => method.kind === kind) ?? false;
  return (
    <section className="card" aria-labelledby="methods">
      <header>
        <h2 id="methods">Ways to sign in</h2>
      </header>
      <div className="body stack">
        {data === undefined ? (
          <Skeleton lines={3} />
        ) : (
          <ul className="stack">
            {data.map((method) => (
              <li key={method.id} className="row between">
                <div className="grow">
                  <strong>{namesItself(method) ? method.name : kinds[method.kind]}</strong>
                  <p className="muted small">
                    {method.left === undefined ? (
                      <>
                        last used <Ago at={method.lastUsedAt} />
                      </>
                    ) : (
                      `${plural(method.left, 'code')} left`
                    )}
                    {method.account !== undefined && ` · ${method.account}`}
                    {method.backedUp === true && ' · synchronised among your devices'}
                  </p>
                </div>
                {method.kind === 'RECOVERY_CODES' ? (
                  <Button look="plain" onClick={() => void renew()}>
                    New codes
                  </Button>
                ) : (
                  <Button
                    look="plain"
                    onClick={() =>
                      void act(
                        () => call<'removeMyMethod'>('DELETE', `/tenants/me/methods/${method.id}`),
                        'Removed it.',
                      )
                    }
                  >
                    Remove
                    <span className="visually-hidden"> {namesItself(method) ? method.name : kinds[method.kind]}</span>
                  </Button>
                )}
              </li>
            ))}
          </ul>
        )}
        <div className="row">
          <Button onClick={() => void addPasskey()}>Add a passkey</Button>
          {providers.data?.map(({ id, label }) => (
            <Button
              key={id}
              onClick={() => void linkProvider(id, '/console/my').catch((failure) => toast(messageOf(failure)))}
            >
              Link {label}
            </Button>
          ))}
          <Button onClick={() => setDialog('password')}>
            {has('PASSWORD') ? 'Change password' : 'Set a password'}
          </Button>
          {has('PASSWORD') && (
            <Button onClick={() => setDialog('totp')}>
              {has('TOTP') ? 'Replace authenticator app' : 'Add authenticator app'}
            </Button>
          )}
        </div>
      </div>
      <Dialog title="Choose a password" open={dialog === 'password'} onClose={() => setDialog(null)}>
        <PasswordForm onClose={() => setDialog(null)} />
      </Dialog>
      <Dialog title="Add an authenticator app" open={dialog === 'totp'} onClose={() => setDialog(null)}>
        <TotpForm
          onDone={(made) => {
            setDialog(null);
            setCodes(made);
          }}
        />
      </Dialog>
      <Dialog title="Recovery codes" open={codes !== null} onClose={() => setCodes(null)}>
        {codes !== null && (
          <Secret
            text={codes.join('\n')}
            about="Each signs you in once when the app is lost."
            file="sallyport-recovery-codes.txt"
          />
        )}
      </Dialog>
    </section>
  );
}

function PasswordForm({ onClose }: { onClose: () => void }) {
  const me = useSignedIn();
  const [password, setPassword] = useState('');
  const [failure, setFailure] = useState<string | null>(null);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    try {
      await call<'setMyPassword'>('PUT', '/tenants/me/methods/password', { password });
      await queryClient.invalidateQueries({ queryKey: ['my-methods'] });
      toast('Saved the password. Your other sessions have ended.');
      onClose();
    } catch (error) {
      setFailure(messageOf(error));
    }
  };
  return (
    <form className="stack" onSubmit={submit}>
      <input type="email" autoComplete="username" value={me.email} readOnly hidden />
      <Field
        label="New password"
        type="password"
        autoComplete="new-password"
        minLength={12}
        hint="12 characters or more. Several unrelated words make a good one."
        value={password}
        onChange={(event) => setPassword(event.target.value)}
        error={failure ?? undefined}
        required
      />
      <footer className="row">
        <Button onClick={onClose}>Cancel</Button>
        <Button type="submit" look="primary">
          Save password
        </Button>
      </footer>
    </form>
  );
}

function TotpForm({ onDone }: { onDone: (codes: readonly string[]) => void }) {
  const [offer, setOffer] = useState<{ attempt: string; secret: string; url: string } | null>(null);
  const [code, setCode] = useState('');
  const [failure, setFailure] = useState<string | null>(null);
  const begin = async () => {
    setFailure(null);
    try {
      setOffer(await call<'offerTotp'>('POST', '/tenants/me/methods/totp/offer'));
    } catch (error) {
      setFailure(messageOf(error));
    }
  };
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    if (offer === null) return begin();
    try {
      const { codes } = await call<'confirmTotp'>('PUT', '/tenants/me/methods/totp', { attempt: offer.attempt, code });
      await queryClient.invalidateQueries({ queryKey: ['my-methods'] });
      onDone(codes);
    } catch (error) {
      setFailure(messageOf(error));
      setOffer(null);
      setCode('');
    }
  };
  return (
    <form className="stack" onSubmit={submit}>
      {failure !== null && (
        <p className="note bad" role="alert">
          {failure}
        </p>
      )}
      {offer === null ? (
        <p>An app on your phone shows a code of six digits, which a sign-in with the password then asks for.</p>
      ) : (
        <>
          <Qr text={offer.url} about="QR code for the authenticator app" />
          <p className="small">
            Or type <code>{offer.secret}</code>
          </p>
          <Field
            label="Code that the app shows"
            autoComplete="one-time-code"
            inputMode="numeric"
            value={code}
            onChange={(event) => setCode(event.target.value)}
            required
          />
        </>
      )}
      <footer>
        <Button type="submit" look="primary">
          {offer === null ? 'Show QR code' : 'Add app'}
        </Button>
      </footer>
    </form>
  );
}

function Sessions() {
  const { data } = useRead<'listMySessions'>('my-sessions', '/tenants/me/sessions');
  const end = async (path: string) => {
    await call<'endMySession'>('DELETE', path).catch((failure) => toast(messageOf(failure)));
    await queryClient.invalidateQueries({ queryKey: ['my-sessions'] });
  };
  return (
    <section className="card" aria-labelledby="sessions">
      <header className="row between">
        <h2 id="sessions">Sessions</h2>
        {(data?.length ?? 0) > 1 && <Button onClick={() => void end('/tenants/me/sessions')}>End all others</Button>}
      </header>
      <ul className="body stack">
        {(data ?? []).map(({ id, client, sourceIp, lastSeenAt, current, method }) => (
          <li key={id} className="row between">
            <div className="grow">
              <strong>{clientName(client)}</strong> {current && <span className="chip">this one</span>}
              <p className="muted small">
                by {method.toLowerCase()}, from {sourceIp ?? 'an unknown address'}, last seen <Ago at={lastSeenAt} />
              </p>
            </div>
            {!current && (
              <Button look="plain" onClick={() => void end(`/tenants/me/sessions/${id}`)}>
                End
              </Button>
            )}
          </li>
        ))}
      </ul>
    </section>
  );
}
