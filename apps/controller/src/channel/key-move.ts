import type { Link } from './link.ts';
import type { Timers } from './timers.ts';

/** Agents that connect again at once, and time between them: about as many a second as after a restart. */
const atOnce = 10;
const pauseMs = 200;

/**
 * Ends the connections of agents that hold a key of the controller from before, some at a time, so that they come back to
 * the present key. Their tunnels stay. Returns a function that ends it.
 */
export function moveLinks(links: Iterable<Link>, timers: Timers): () => void {
  const waiting = [...links];
  let cancel: () => void = () => {};
  const next = (): void => {
    for (let ended = 0; ended < atOnce && waiting.length > 0; ) {
      const link = waiting.pop();
      if (link === undefined || link.over || !link.session.hasOldKey) continue;
      link.input({ type: 'rejected', code: 'busy' });
      ended++;
    }
    if (waiting.length > 0) cancel = timers.after(pauseMs, next);
  };
  next();
  return () => cancel();
}
