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
    const told = ({ kinds, live: next, missed }: Told) => {
      if (next !== undefined) setLive(next);
      if (missed === true) void queryClient.invalidateQueries();
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
  /** Changes may have passed while there was no connection. */
  readonly missed?: boolean;
}

/** Kinds that are touched together within this time are read again once, milliseconds. */
const gatherMs = 400;
/** Between two attempts to connect after the controller refused, milliseconds. Browsers do not try again by themselves then. */
const againMs = 2000;

async function followUntil(signal: AbortSignal, tell: (message: Told) => void): Promise<void> {
  const gathered = new Gathered(tell);
  let lostAt: number | null = null;
  let again: ReturnType<typeof setTimeout> | undefined;
  let source: EventSource | undefined;
  const open = () => {
    const opened = new EventSource('/tenants/changes');
    source = opened;
    opened.onopen = () => {
      tell({ live: { state: 'live' }, missed: lostAt !== null });
      lostAt = null;
    };
    opened.onerror = () => {
      lostAt ??= Date.now();
      tell({ live: { state: 'reconnecting', since: lostAt } });
      if (opened.readyState !== EventSource.CLOSED) return;
      void queryClient.invalidateQueries({ queryKey: ['me'] });
      again = setTimeout(open, againMs);
    };
    opened.onmessage = ({ data }) => gathered.add(JSON.parse(data).changes);
  };
  open();
  await new Promise((resolve) => signal.addEventListener('abort', resolve));
  clearTimeout(again);
  gathered.stop();
  source?.close();
}

/** Kinds of changed objects, told together. */
class Gathered {
  readonly #tell: (message: Told) => void;
  readonly #kinds = new Set<string>();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(tell: (message: Told) => void) {
    this.#tell = tell;
  }

  add(changes: readonly { kind: string }[]): void {
    for (const { kind } of changes) this.#kinds.add(kind);
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#tell({ kinds: [...this.#kinds, 'audit'] });
      this.#kinds.clear();
    }, gatherMs);
  }

  stop(): void {
    clearTimeout(this.#timer);
  }
}
