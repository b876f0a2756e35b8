import { type Backoff, backoffDelay } from '../backoff.ts';
import type { Deadline } from './types.ts';

/** Every interval of a session, milliseconds. */
export interface SessionTiming {
  /** Timeout of the socket, of the challenge and of the welcome. */
  readonly answerMs: number;
  readonly reconnect: Backoff;
  /** Interval of retries after a final refusal. A restored database may know the agent again. */
  readonly refused: Backoff;
  /** Interval of retries while another host uses the same identity, so that the two do not compete. */
  readonly takenOverMs: number;
  /** Duration of a connection after which the next back-off starts from the beginning. */
  readonly goodAfterMs: number;
  /** Unanswered heartbeats after which the connection counts as dead. */
  readonly silentHeartbeats: number;
  readonly applyRetry: Backoff;
  /** Interval of checks of the whole state. */
  readonly sweepMs: number;
}

/** Times of a session in production, in milliseconds. */
export const defaultTiming: SessionTiming = {
  answerMs: 10_000,
  reconnect: { firstMs: 500, maxMs: 15_000 },
  refused: { firstMs: 30_000, maxMs: 30_000 },
  takenOverMs: 300_000,
  goodAfterMs: 10_000,
  silentHeartbeats: 3,
  applyRetry: { firstMs: 1_000, maxMs: 30_000 },
  sweepMs: 30_000,
};

/** Returns the wait after a final refusal, milliseconds. `random` is in [0, 1). */
export function refusalDelay({ refused, takenOverMs }: SessionTiming, code: string, random: number): number {
  return code === 'taken-over' ? takenOverMs : backoffDelay(refused, 0, random);
}

/** Returns the interval of heartbeats. It bounds the interval that the controller requests. */
export function heartbeatInterval(askedMs: number): number {
  return Math.min(Math.max(askedMs, 1_000), 60_000);
}

/** Returns the earliest deadline, or null. */
export function earliest(all: readonly Deadline[]): Deadline | null {
  return all.reduce<Deadline | null>((first, next) => (first === null || next.at < first.at ? next : first), null);
}
