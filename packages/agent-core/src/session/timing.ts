import { type Backoff, backoffDelay } from '../backoff.ts';
import type { Deadline } from './types.ts';

/** Every interval of a session, milliseconds. */
export interface SessionTiming {
  /** For the socket, the challenge and the welcome, each. */
  readonly answerMs: number;
  readonly reconnect: Backoff;
  /** Between tries after a refusal that is final: a restored or repaired database may know the agent again. */
  readonly refused: Backoff;
  /** Between tries of an agent whose identity another host uses too: the two must not fight. */
  readonly takenOverMs: number;
  /** A connection that lived so long was a good one: the next back-off starts anew. */
  readonly goodAfterMs: number;
  /** Unanswered heartbeats after which the connection is taken for dead. */
  readonly silentHeartbeats: number;
  readonly applyRetry: Backoff;
  /** Between checks of everything that should be in force. */
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

/** How long an agent waits after a final refusal, milliseconds. `random` is in [0, 1). */
export function refusalDelay({ refused, takenOverMs }: SessionTiming, code: string, random: number): number {
  return code === 'taken-over' ? takenOverMs : backoffDelay(refused, 0, random);
}

/** Between heartbeats, from what the controller asks for: neither a flood nor silence. */
export function heartbeatInterval(askedMs: number): number {
  return Math.min(Math.max(askedMs, 1_000), 60_000);
}

/** Returns the deadline that comes first, or null when there is none. */
export function earliest(all: readonly Deadline[]): Deadline | null {
  return all.reduce<Deadline | null>((first, next) => (first === null || next.at < first.at ? next : first), null);
}
