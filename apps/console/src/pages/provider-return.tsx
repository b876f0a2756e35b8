import type { ResponseBody } from '@sallyport/contract';
import { useEffect, useState } from 'react';
import { call, messageOf } from '../data/api.ts';
import { queryClient, useMe } from '../data/queries.ts';
import { Skeleton } from '../kit/kit.tsx';
import { Mark } from '../shell/icons.tsx';

type Return = ResponseBody<'finishProviderSignIn'>;

/** What a provider sent the browser back with is good once, however often the page is drawn. */
const finishing = new Map<string, Promise<Return>>();

function finish(id: string, answer: string): Promise<Return> {
  const known = finishing.get(id);
  if (known !== undefined) return known;
  // The code does not stay in the address.
  history.replaceState(null, '', location.pathname);
  const made = call<'finishProviderSignIn'>('POST', `/sign-in/providers/${encodeURIComponent(id)}/finish`, { answer });
  finishing.set(id, made);
  return made;
}

/** Where providers send people back to: finishes the sign-in, or the linking of the provider. */
export function ProviderReturnPage() {
  const id = location.pathname.split('/')[3] ?? '';
  const [error, setError] = useState<string | null>(null);
  useEffect(() => {
    finish(id, location.search.slice(1)).then(
      ({ page }) => {
        queryClient.clear();
        location.replace(page ?? '/console/');
      },
      (failure) => setError(messageOf(failure)),
    );
  }, [id]);
  return (
    <main className="centre">
      <span className="brand">
        <Mark />
        Sallyport
      </span>
      {error === null ? (
        <>
          <h1>Signing in</h1>
          <Skeleton lines={3} />
        </>
      ) : (
        <Refused error={error} />
      )}
    </main>
  );
}

function Refused({ error }: { error: string }) {
  const { data: me } = useMe();
  return (
    <>
      <h1>The sign-in did not work</h1>
      <p className="note bad" role="alert">
        {error}
      </p>
      {me ? (
        <a className="button wide" href="/console/my">
          Go to My account
        </a>
      ) : (
        <a className="button primary wide" href="/console/sign-in">
          Go to sign-in
        </a>
      )}
    </>
  );
}
