import { useEffect, useState } from 'react';
import { Status } from '../kit/kit.tsx';
import type { Live } from './connection.ts';

/** The page counts as stale when it was not connected for this long, milliseconds. */
const staleMs = 30_000;

/** Says how the page is connected to the controller. */
export function LiveMark({ live }: { live: Live }) {
  const now = useNow(live.state === 'lost');
  if (live.state !== 'lost') return <Status meaning={live.state === 'live' ? 'good' : 'wait'}>{live.state}</Status>;
  const seconds = live.next === null ? 0 : Math.max(0, Math.ceil((live.next - now) / 1000));
  const next = seconds === 0 ? 'reconnecting' : `reconnecting in ${seconds} s`;
  if (now - live.since < staleMs) return <Status meaning="warn">{next}</Status>;
  const since = new Date(live.since).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' });
  return (
    <span title={`The page shows what was known at ${new Date(live.since).toLocaleTimeString()}, ${next}`}>
      <Status meaning="bad">{`stale since ${since}`}</Status>
    </span>
  );
}

/** Returns the present time, every second while somebody looks at it. */
function useNow(ticking: boolean): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    if (!ticking) return;
    setNow(Date.now());
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, [ticking]);
  return now;
}
