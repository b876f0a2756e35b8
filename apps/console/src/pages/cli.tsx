import { useEffect, useState } from 'react';
import { call, messageOf } from '../data/api.ts';
import { useMe } from '../data/queries.ts';
import { Button, Skeleton } from '../kit/kit.tsx';
import { FreshSignIn } from '../shell/fresh-sign-in.tsx';
import { Mark } from '../shell/icons.tsx';
import { signInAddress } from '../shell/target.ts';

/** What a command line asks for in the address of this page. */
interface Asked {
  readonly challenge: string;
  readonly port: number;
  readonly state: string;
  readonly host: string;
}

/** Asks the signed-in person whether a command line may sign in, and tells the command line on this computer. */
export function CliPage() {
  const asked = readAsked(location.search);
  const { data: me, error, isPending } = useMe();
  const leave = asked !== null && me === null;
  useEffect(() => {
    if (leave) location.replace(signInAddress(`/cli${location.search}`));
  }, [leave]);
  if (leave) return null;
  return (
    <main className="centre">
      <span className="brand">
        <Mark />
        Sallyport
      </span>
      {asked === null && (
        <>
          <h1>This address is not complete</h1>
          <p>Run “sally login” again, and open the address that it prints.</p>
        </>
      )}
      {asked !== null && isPending && <Skeleton lines={4} />}
      {error !== null && <p className="note bad">{messageOf(error)}</p>}
      {asked !== null && me && (
        <>
          <Question asked={asked} email={me.email} tenant={me.tenant.name} />
          <FreshSignIn me={me} />
        </>
      )}
    </main>
  );
}

function Question({ asked, email, tenant }: { asked: Asked; email: string; tenant: string }) {
  const { challenge, port, host } = asked;
  const [error, setError] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const allow = async () => {
    setBusy(true);
    setError(null);
    try {
      const { code } = await call<'allowCli'>('POST', '/tenants/me/cli-code', { challenge, port, host });
      location.replace(callback(asked, { code }));
    } catch (failure) {
      setError(messageOf(failure));
      setBusy(false);
    }
  };
  return (
    <>
      <h1>Sign in this command line on {host}?</h1>
      <p>
        It may do what you may do, as {email} in {tenant}.
      </p>
      <p className="note warn">
        Say yes only if you have just typed “sally login” on this computer. Say no if a message or a website sent you
        here.
      </p>
      {error !== null && (
        <p className="note bad" role="alert">
          {error}
        </p>
      )}
      <Button look="primary wide" busy={busy} onClick={() => void allow()}>
        Yes, sign it in
      </Button>
      <Button look="wide" onClick={() => location.replace(callback(asked, { error: 'access_denied' }))}>
        No
      </Button>
    </>
  );
}

/** The code goes to this computer alone (RFC 8252, section 7.3). */
const callback = ({ port, state }: Asked, answer: Record<string, string>): string =>
  `http://127.0.0.1:${port}/callback?${new URLSearchParams({ ...answer, state })}`;

/** Returns what the address asks for, or null where a part is missing. The controller checks the rest. */
function readAsked(search: string): Asked | null {
  const query = new URLSearchParams(search);
  const [challenge, state, host] = ['challenge', 'state', 'host'].map((name) => query.get(name) ?? '');
  const port = Number(query.get('port'));
  if (!challenge || !state || !host || !(Number.isInteger(port) && port >= 1024 && port <= 65_535)) return null;
  return { challenge, port, state, host };
}
