import type { Effect } from './types.ts';

/** Returns a warning for the log when the controller's clock is ahead of this host's, or behind it, by too much. */
export function skewWarning(skewMs: number): Effect[] {
  if (Math.abs(skewMs) <= 60_000) return [];
  const message = 'the clocks of this host and of the controller differ: set them by NTP';
  return [{ kind: 'log', level: 'warn', message, fields: { skewMs } }];
}
