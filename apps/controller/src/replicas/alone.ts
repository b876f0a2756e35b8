import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import type { Replica, Replicas } from './types.ts';

/** Describes this process. `now`: epoch milliseconds. */
export function thisReplica(version: string, now: number): Replica {
  return { id: randomUUID(), name: hostname(), version, startedAt: now, seenAt: now, beacon: null };
}

/** The only process of its database. It has no others to tell, and keeps what it knows in its memory. */
export function alone(version: string, now: () => number): Replicas {
  const self = thisReplica(version, now());
  return {
    self,
    alone: true,
    others: () => [],
    isAlive: (id) => id === self.id,
    onChange: () => () => undefined,
    lastContact: now,
    maySign: () => true,
    announceBeacon: () => undefined,
    tell: () => undefined,
    ask: async () => null,
    handle: () => undefined,
    facts: { publish: () => undefined, follow: () => undefined, settled: async () => undefined },
  };
}
