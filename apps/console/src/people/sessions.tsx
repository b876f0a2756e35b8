import type { Session, User } from '@sallyport/contract';
import { useState } from 'react';
import { call, messageOf } from '../data/api.ts';
import { mayWrite, queryClient, useRead } from '../data/queries.ts';
import { Ago, Button, Dialog, Skeleton, toast } from '../kit/kit.tsx';
import { useSignedIn } from '../shell/me.ts';

/** Where a person is signed in. */
export function SessionsOf({ user }: { user: User }) {
  const me = useSignedIn();
  const { data, error } = useRead<'listUserSessions'>('session', `/tenants/users/${user.id}/sessions`);
  const [ending, setEnding] = useState(false);
  const end = async () => {
    setEnding(false);
    try {
      await call<'endUserSessions'>('DELETE', `/tenants/users/${user.id}/sessions`);
      await queryClient.invalidateQueries({ queryKey: ['session'] });
      toast(`Ended all sessions of ${user.email}.`);
    } catch (failure) {
      toast(messageOf(failure));
    }
  };
  if (data === undefined)
    return error === null ? <Skeleton lines={2} /> : <p className="note bad">{messageOf(error)}</p>;
  if (data.length === 0) return <p className="muted">{user.email} is signed in nowhere.</p>;
  return (
    <div className="stack tight">
      <ul className="stack">
        {data.map((session) => (
          <SessionRow key={session.id} session={session} />
        ))}
      </ul>
      {mayWrite(me) && (
        <span>
          <Button onClick={() => setEnding(true)}>End all sessions</Button>
        </span>
      )}
      <Dialog title={`End all sessions of ${user.email}`} open={ending} onClose={() => setEnding(false)}>
        <p>Every browser and command line of {user.email} has to sign in again. Devices stay connected.</p>
        <footer className="row">
          <Button onClick={() => setEnding(false)}>Cancel</Button>
          <Button look="danger solid" onClick={() => void end()}>
            End all sessions
          </Button>
        </footer>
      </Dialog>
    </div>
  );
}

/** One session: browser, how it began, where from, and when it was last seen. */
export function SessionRow({ session }: { session: Session }) {
  const { client, method, sourceIp, lastSeenAt, current } = session;
  return (
    <li>
      <strong>{clientName(client)}</strong> {current && <span className="chip">this one</span>}
      <p className="muted small">
        by {method.toLowerCase()}, from {sourceIp ?? 'an unknown address'}, last seen <Ago at={lastSeenAt} />
      </p>
    </li>
  );
}

/** Browser and system, out of what the browser calls itself. */
export function clientName(userAgent: string): string {
  const browser = [/Firefox/, /Edg/, /OPR/, /Chrom(e|ium)/, /Safari/].find((one) => one.test(userAgent));
  const names = new Map([
    ['Firefox', 'Firefox'],
    ['Edg', 'Edge'],
    ['OPR', 'Opera'],
    ['Chrom(e|ium)', 'Chrome'],
    ['Safari', 'Safari'],
  ]);
  const system = /Android|iPhone|iPad|Windows|Mac OS X|Linux/.exec(userAgent)?.[0]?.replace('Mac OS X', 'macOS');
  const name = browser === undefined ? 'A program' : names.get(browser.source);
  return system === undefined ? (name ?? 'A program') : `${name} on ${system}`;
}
