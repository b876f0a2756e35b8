import { Alarm, type Timers } from './timers.ts';

/** A peer that wants a handshake. `start` is called once, or `dropped` once. */
export interface Guest {
  /** Networks of the guest, from one host to wider ones. Each of them is bounded. */
  readonly sources: readonly string[];
  readonly start: () => void;
  /** The guest waited, and gave its place in the queue to another guest. */
  readonly dropped: () => void;
  /** The guest has proven nothing, and its place is needed. It leaves soon. */
  readonly evicted: () => void;
}

/** Place of a guest at the gate, in a handshake or in the queue. */
export interface Place {
  /** Protects the guest from eviction from now on. */
  proven(): void;
  /** Gives the place back, or stops waiting. Only the first call counts. */
  leave(): void;
}

/** Limits of a gate. */
export interface GateLimits {
  readonly handshakes: number;
  /** Limit for one host. A network around it has twice that, and one around that four times. */
  readonly handshakesPerSource: number;
  readonly waitingUpgrades: number;
  readonly waitingPerSource: number;
  /**
   * How long a handshake may take while others wait for its place. Applies to the source with the most handshakes,
   * while others have fewer.
   */
  readonly pressureMs: number;
  readonly graceMs: number;
}

/** How far into a queue to look for a guest whose networks have room. */
const lookedAt = 64;

interface Entry extends Guest {
  state: 'waiting' | 'running' | 'gone';
  startedAt: number;
}

/**
 * Lets a bounded number of handshakes run at once, overall and per source. The others wait their turn. After a restart
 * of the controller all agents return together, and a few sources must not keep the others out. The source with the
 * most handshakes gives way to one with fewer. Slow handshakes give way when others wait.
 */
export class Gate {
  readonly #limits: GateLimits;
  readonly #clock: () => number;
  readonly #alarm: Alarm;
  /** Waiting guests by their widest source. The sources take turns. */
  readonly #waiting = new Map<string, Set<Entry>>();
  readonly #running = new Map<string, number>();
  /** Running handshakes without a proof, oldest first. */
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

  /** Starts the guest now or when its turn comes. Returns null when too many wait already. */
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

  /** Drops all waiting guests. */
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
      // The place is free at once. When its holder leaves later, nothing changes.
      this.#finish(due.entry);
      due.entry.state = 'gone';
      due.entry.evicted();
    }
  }

  #start(entry: Entry): void {
    this.#unqueue(entry);
    // Moves the source to the end, so that all sources take turns.
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

  /** Returns a guest of the source with the fewest handshakes; among equals, of the source whose turn it is. */
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

  /** Returns the handshake that must make room for a waiting guest, and when. */
  #firstDue(): { readonly entry: Entry; readonly at: number } | null {
    if (this.#totalWaiting === 0) return null;
    const full = this.#totalRunning >= this.#limits.handshakes;
    const slowest = full ? first(this.#unproven) : this.#oldestInTheWay();
    const greediest = full ? this.#greediest() : null;
    const slow = slowest && { entry: slowest, at: slowest.startedAt + this.#limits.pressureMs };
    const greedy = greediest && { entry: greediest, at: greediest.startedAt + this.#limits.graceMs };
    return slow !== null && greedy !== null ? (greedy.at < slow.at ? greedy : slow) : (slow ?? greedy);
  }

  /** Returns the oldest handshake of a source at its limit that has more guests waiting. */
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

  /**
   * Returns the oldest handshake of the source with the most, if a waiting source has at least two fewer. A fresh
   * handshake is chosen only if all are fresh.
   */
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

  /** Drops half of the longest queue, if it is longer than the newcomer's. */
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
