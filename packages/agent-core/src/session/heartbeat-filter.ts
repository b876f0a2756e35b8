import type { Heartbeat, ProbeResult } from '@sallyport/contract/channel';
import type { AppliedState, HeartbeatData } from './types.ts';

/** Remembers what a connection received, so that heartbeats carry only changes. */
export class HeartbeatFilter {
  #peers = new Map<string, string>();
  #probes = new Map<string, string>();
  #reachable = new Map<string, boolean>();

  /** Forgets everything, because a new connection received nothing. */
  reset(): void {
    this.#peers = new Map();
    this.#probes = new Map();
    this.#reachable = new Map();
  }

  /** Returns a heartbeat with the changes. */
  message(data: HeartbeatData, sentAt: number, applied: AppliedState | null): Heartbeat {
    const { revision = null, hash = null } = applied ?? {};
    return { type: 'heartbeat', sentAt, revision, hash, ...data, ...this.#news(data) };
  }

  #news(data: HeartbeatData): Pick<Heartbeat, 'peers' | 'probes'> {
    this.#reachable = new Map(data.probes.map(({ id, reachable }) => [id, reachable]));
    return {
      peers: changed(data.peers, (peer) => peer.peer, this.#peers),
      probes: changed(data.probes, (probe) => probe.id, this.#probes),
    };
  }

  /**
   * Returns the probes with a changed outcome, up to the limit of a message. Times and details wait for the heartbeat.
   */
  noticed(probes: readonly ProbeResult[]): ProbeResult[][] {
    const news = probes.filter(({ id, reachable }) => {
      if (this.#reachable.get(id) === reachable) return false;
      this.#reachable.set(id, reachable);
      return true;
    });
    return Array.from({ length: Math.ceil(news.length / atOnce) }, (_, n) => news.slice(n * atOnce, (n + 1) * atOnce));
  }
}

const atOnce = 10_000;

function changed<T>(all: readonly T[], keyOf: (value: T) => string, known: Map<string, string>): T[] {
  const keys = new Set(all.map(keyOf));
  for (const key of known.keys()) if (!keys.has(key)) known.delete(key);
  return all.filter((value) => {
    const text = JSON.stringify(value);
    if (known.get(keyOf(value)) === text) return false;
    known.set(keyOf(value), text);
    return true;
  });
}
