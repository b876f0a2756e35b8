import { Alarm, type Timers } from './timers.ts';

/** Who wants to shake hands, and what is done with it. `start` is called once, or `dropped` once. */
export interface Guest {
  /** From the network of one host to wider ones, each of which is bounded too. */
  readonly sources: readonly string[];
  readonly start: () => void;
  /** It waited, and another that has a better right to wait came. */
  readonly dropped: () => void;
  /** It has not proven anything, and its place is needed; it leaves soon. */
  readonly evicted: () => void;
}

/** What a guest holds from the moment it comes. */
export interface Place {
  /** From now on it is not evicted. */
  proven(): void;
  /** Gives the place back, or stops waiting. Only the first call counts. */
  leave(): void;
}

export interface GateLimits {
  readonly handshakes: number;
  /** Of one host; a network around it has twice that, one around that four times. */
  readonly handshakesPerSource: number;
  readonly waitingUpgrades: number;
  readonly waitingPerSource: number;
  /** How long a handshake may take while others wait for its place; of a source that has most, while others have fewer. */
  readonly pressureMs: number;
  readonly graceMs: number;
}

/** How far into a queue to look for somebody whose networks have room. */
const lookedAt = 64;

interface Entry extends Guest {
  state: 'waiting' | 'running' | 'gone';
  startedAt: number;
}

/**
 * Lets a bounded number of handshakes run at once, overall and per source; the others wait their turn. After a controller
 * restart all agents return together, and a few sources must not keep the others out: the source with the most gives way
 * to one with fewer, and whoever is slow gives way when others wait.
 */
export class Gate {
  readonly #limits: GateLimits;
  readonly #clock: () => number;
  readonly #alarm: Alarm;
  /** By the widest source, which take turns. */
  readonly #waiting = new Map<string, Set<Entry>>();
  readonly #running = new Map<string, number>();
  /** Oldest first; proven ones are not in it. */
  readonly #unproven = new Set<Entry>();
  #totalWaiting = 0;
  #totalRunning = 0;

  constructor(limits: GateLimits, clock: () => number, timers: Timers) {
    this.#limits = limits;
    this.#clock = clock;
    this.#alarm = new Alarm(timers, clock, () => this.#admit());
  }

  get running(): number {
    return this.#totalRunning;
  }

  get waiting(): number {
    return this.#totalWaiting;
  }

  /** Starts the guest now or when its turn comes; null when too many wait already. */
  enter(guest: Guest): Place | null {
    const source = widest(guest);
    const queued = this.#waiting.get(source)?.size ?? 0;
    if (queued >= this.#limits.waitingPerSource) return null;
    if (this.#totalWaiting >= this.#limits.waitingUpgrades && !this.#makeRoom(queued)) return null;
    const entry: Entry = { ...guest, state: 'waiting', startedAt: 0 };
    this.#waiting.set(source, (this.#waiting.get(source) ?? new Set()).add(entry));
    this.#totalWaiting++;
    this.#admit();
    return {
      proven: () => {
        this.#unproven.delete(entry);
      },
      leave: () => this.#leave(entry),
    };
  }

  /** Drops all that wait. */
  clear(): void {
    this.#alarm.stop();
    for (const queue of [...this.#waiting.values()]) for (const entry of [...queue]) this.#drop(entry);
  }

  #leave(entry: Entry): void {
    if (entry.state === 'gone') return;
    if (entry.state === 'waiting') this.#unqueue(entry);
    else this.#finish(entry);
    entry.state = 'gone';
    this.#admit();
  }

  #finish(entry: Entry): void {
    this.#totalRunning--;
    this.#unproven.delete(entry);
    for (const source of entry.sources) {
      const running = (this.#running.get(source) ?? 0) - 1;
      if (running > 0) this.#running.set(source, running);
      else this.#running.delete(source);
    }
  }

  #admit(): void {
    for (;;) {
      for (let entry = this.#next(); entry !== null; entry = this.#next()) this.#start(entry);
      const due = this.#firstDue();
      if (due === null) return;
      if (this.#clock() < due.at) {
        this.#alarm.set(due.at);
        return;
      }
      // Its place is free at once; that its holder leaves later changes nothing.
      this.#finish(due.entry);
      due.entry.state = 'gone';
      due.entry.evicted();
    }
  }

  #start(entry: Entry): void {
    this.#unqueue(entry);
    // To the back of the sources, so that all have their turn.
    const queue = this.#waiting.get(widest(entry));
    if (queue !== undefined) {
      this.#waiting.delete(widest(entry));
      this.#waiting.set(widest(entry), queue);
    }
    entry.state = 'running';
    entry.startedAt = this.#clock();
    this.#unproven.add(entry);
    this.#totalRunning++;
    for (const source of entry.sources) this.#running.set(source, (this.#running.get(source) ?? 0) + 1);
    entry.start();
  }

  /** Of the source that has fewest; among equals, the one whose turn it is. */
  #next(): Entry | null {
    if (this.#totalRunning >= this.#limits.handshakes) return null;
    let next: Entry | null = null;
    for (const [source, queue] of this.#waiting) {
      if (next !== null && this.#share(source) >= this.#share(widest(next))) continue;
      next = this.#firstThatFits(queue) ?? next;
      if (next !== null && this.#share(widest(next)) === 0) break;
    }
    return next;
  }

  #firstThatFits(queue: ReadonlySet<Entry>): Entry | null {
    let looked = 0;
    for (const entry of queue) {
      if (entry.sources.every((source, width) => this.#hasRoom(source, width))) return entry;
      if (++looked === lookedAt) break;
    }
    return null;
  }

  #share(source: string): number {
    return this.#running.get(source) ?? 0;
  }

  #hasRoom(source: string, width: number): boolean {
    return this.#share(source) < this.#limits.handshakesPerSource * 2 ** width;
  }

  /** Who has to make room for somebody who waits, and when. */
  #firstDue(): { readonly entry: Entry; readonly at: number } | null {
    if (this.#totalWaiting === 0) return null;
    const full = this.#totalRunning >= this.#limits.handshakes;
    const slowest = full ? first(this.#unproven) : this.#oldestInTheWay();
    const greediest = full ? this.#greediest() : null;
    const slow = slowest && { entry: slowest, at: slowest.startedAt + this.#limits.pressureMs };
    const greedy = greediest && { entry: greediest, at: greediest.startedAt + this.#limits.graceMs };
    return slow !== null && greedy !== null ? (greedy.at < slow.at ? greedy : slow) : (slow ?? greedy);
  }

  /** Oldest of a source that has as many as it may, and more waiting. */
  #oldestInTheWay(): Entry | null {
    const full = new Set<string>();
    for (const queue of this.#waiting.values()) {
      const entry = first(queue);
      entry?.sources.forEach((source, width) => {
        if (!this.#hasRoom(source, width)) full.add(source);
      });
    }
    for (const entry of this.#unproven) if (entry.sources.some((source) => full.has(source))) return entry;
    return null;
  }

  /** Oldest of the source that has most, if one that waits has at least two fewer. Of the fresh ones only if all are. */
  #greediest(): Entry | null {
    let fewest = Number.POSITIVE_INFINITY;
    for (const source of this.#waiting.keys()) {
      fewest = Math.min(fewest, this.#share(source));
      if (fewest === 0) break;
    }
    const fresh = this.#clock() - this.#limits.graceMs;
    let greediest: Entry | null = null;
    for (const entry of this.#unproven) {
      if (greediest !== null && entry.startedAt > fresh) break;
      const least = greediest === null ? fewest + 1 : this.#share(widest(greediest));
      if (this.#share(widest(entry)) > least) greediest = entry;
    }
    return greediest;
  }

  /** Sends half of the longest queue away, if it is longer than the newcomer's. */
  #makeRoom(queued: number): boolean {
    let longest: Set<Entry> | null = null;
    for (const queue of this.#waiting.values()) if (queue.size > (longest?.size ?? queued + 1)) longest = queue;
    if (longest === null) return false;
    for (const entry of [...longest].slice(Math.floor(longest.size / 2))) this.#drop(entry);
    return true;
  }

  #drop(entry: Entry): void {
    this.#unqueue(entry);
    entry.state = 'gone';
    entry.dropped();
  }

  #unqueue(entry: Entry): void {
    const queue = this.#waiting.get(widest(entry));
    if (!queue?.delete(entry)) return;
    this.#totalWaiting--;
    if (queue.size === 0) this.#waiting.delete(widest(entry));
  }
}

function first<T>(set: ReadonlySet<T>): T | null {
  const [value] = set;
  return value ?? null;
}

function widest({ sources }: Guest): string {
  return sources.at(-1) ?? '';
}
