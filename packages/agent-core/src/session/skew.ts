import type { Effect } from './types.ts';

/** Smaller differences between two clocks are ignored, because messages take time. */
const toleratedSkewMs = 1_000;

/** Returns the correction of a clock at `now` to the controller's time. 0: no correction. */
export function clockShift(controllerNow: number, now: number): number {
  const shift = controllerNow - now;
  return Math.abs(shift) < toleratedSkewMs ? 0 : shift;
}

/** Returns a warning for the log when the clock of the host was wrong by too much. */
export function skewWarning(shiftMs: number): Effect[] {
  if (Math.abs(shiftMs) <= 60_000) return [];
  const message =
    "the clocks of this host and of the controller differ: going by the controller's; set this host's by NTP";
  return [{ kind: 'log', level: 'warn', message, fields: { skewMs: -shiftMs } }];
}
