import type { Replicas } from '../../replicas/types.ts';
import type { Timers } from '../timers.ts';

/**
 * How a process stands that had agents. `until`: it ended, and its agents have until then to come back, epoch
 * milliseconds. `unknown`: it ended before this process began.
 */
export type Standing = 'alive' | 'unknown' | { readonly until: number };

/** What the look at other processes uses, and what it tells. */
export interface LiveReplicasHost {
  readonly replicas: Pick<Replicas, 'others' | 'isAlive' | 'onChange'>;
  readonly clock: () => number;
  readonly timers: Timers;
  /** The agents of a process that ended have had their time, or it is back. */
  readonly over: (replica: string) => void;
}

/** Agents notice at once that a process was killed, and come back within this time. */
const killedMs = 5_000;
/** An agent notices after three heartbeats that its process is unreachable. */
const vanishedMs = 30_000;
/** A process that was seen this lately when it ended was killed. Otherwise its lease has run out. */
const lateMs = 5_500;
const lookMs = 1_000;

/** Tells how long the agents of processes that ended still count as connected. */
export class LiveReplicas {
  readonly #host: LiveReplicasHost;
  /** When each process was last seen, by id; those that have agents. */
  readonly #seenAt = new Map<string, number>();
  readonly #ended = new Map<string, number>();
  readonly #unsubscribe: () => void;
  readonly #cancels = new Set<() => void>();
  #cancelLook: () => void = () => {};

  constructor(host: LiveReplicasHost) {
    this.#host = host;
    this.#unsubscribe = host.replicas.onChange(() => this.#look());
    this.#lookLater();
  }

  stop(): void {
    this.#unsubscribe();
    this.#cancelLook();
    for (const cancel of this.#cancels) cancel();
  }

  /** A process has agents. */
  follow(replica: string): void {
    if (!this.#seenAt.has(replica) && this.#host.replicas.isAlive(replica)) this.#noteSeen(replica);
  }

  standing(replica: string): Standing {
    if (this.#host.replicas.isAlive(replica)) {
      this.follow(replica);
      return 'alive';
    }
    // A look may be due that has not come.
    if (this.#seenAt.has(replica)) this.#end(replica);
    const until = this.#ended.get(replica);
    return until === undefined ? 'unknown' : { until };
  }

  #lookLater(): void {
    this.#cancelLook = this.#host.timers.after(lookMs, () => {
      this.#look();
      this.#lookLater();
    });
  }

  #look(): void {
    for (const replica of this.#seenAt.keys())
      if (this.#host.replicas.isAlive(replica)) this.#noteSeen(replica);
      else this.#end(replica);
    for (const replica of this.#ended.keys()) {
      if (!this.#host.replicas.isAlive(replica)) continue;
      this.#noteSeen(replica);
      this.#host.over(replica);
    }
  }

  #noteSeen(replica: string): void {
    const seen = this.#host.replicas.others().find(({ id }) => id === replica);
    this.#seenAt.set(replica, seen?.seenAt ?? this.#host.clock());
    this.#ended.delete(replica);
  }

  #end(replica: string): void {
    const now = this.#host.clock();
    const killed = now - (this.#seenAt.get(replica) ?? 0) < lateMs;
    this.#seenAt.delete(replica);
    const holdMs = killed ? killedMs : vanishedMs;
    this.#ended.set(replica, now + holdMs);
    const cancel = this.#host.timers.after(holdMs, () => {
      this.#cancels.delete(cancel);
      this.#host.over(replica);
    });
    this.#cancels.add(cancel);
  }
}
