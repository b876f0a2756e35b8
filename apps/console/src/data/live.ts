import { useEffect, useState } from 'react';
import { queryClient } from './queries.ts';

/** How the page is connected to the changes of the tenant. */
export type Live = { readonly state: 'live' } | { readonly state: 'reconnecting'; readonly since: number };

/**
 * Follows the changes of the tenant and reads again what they touch. Browsers allow six connections to one HTTP/1.1 server, so
 * the tabs of a browser share one stream: the tab that holds a lock reads it, and tells the others.
 */
export function useLive(enabled: boolean): Live {
  const [live, setLive] = useState<Live>({ state: 'live' });
  useEffect(() => {
    if (!enabled) return;
    const channel = new BroadcastChannel('sallyport-changes');
    const stop = new AbortController();
    const told = ({ kinds, live: next }: Told) => {
      if (next !== undefined) setLive(next);
      for (const kind of kinds ?? []) void queryClient.invalidateQueries({ queryKey: [kind] });
    };
    channel.onmessage = ({ data }) => told(data);
    const tell = (message: Told) => {
      told(message);
      channel.postMessage(message);
    };
    navigator.locks
      .request('sallyport-changes', { signal: stop.signal }, () => followUntil(stop.signal, tell))
      .catch(() => undefined);
    return () => {
      stop.abort();
      channel.close();
    };
  }, [enabled]);
  return live;
}

interface Told {
  readonly kinds?: readonly string[];
  readonly live?: Live;
}

/** Kinds that are touched together within this time are read again once, milliseconds. */
const gatherMs = 400;

async function followUntil(signal: AbortSignal, tell: (message: Told) => void): Promise<void> {
  const source = new EventSource('/tenants/changes');
  const kinds = new Set<string>();
  let timer: ReturnType<typeof setTimeout> | undefined;
  source.onopen = () => tell({ live: { state: 'live' } });
  source.onerror = () => tell({ live: { state: 'reconnecting', since: Date.now() } });
  source.onmessage = ({ data }) => {
    for (const { kind } of JSON.parse(data).changes) kinds.add(kind);
    timer ??= setTimeout(() => {
      timer = undefined;
      tell({ kinds: [...kinds, 'audit'] });
      kinds.clear();
    }, gatherMs);
  };
  await new Promise((resolve) => signal.addEventListener('abort', resolve));
  clearTimeout(timer);
  source.close();
}
