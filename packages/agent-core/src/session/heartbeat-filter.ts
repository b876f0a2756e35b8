import type { Heartbeat } from '@sallyport/contract/channel';
import type { HeartbeatData } from './types.ts';

/** Remembers what a connection has been told, so that heartbeats carry only what is new. */
export class HeartbeatFilter {
  #peers = new Map<string, string>();
  #probes = new Map<string, string>();

  /** A new connection knows nothing. */
  reset(): void {
    this.#peers = new Map();
    this.#probes = new Map();
  }

  news(data: HeartbeatData): Pick<Heartbeat, 'peers' | 'probes'> {
    return {
      peers: changed(data.peers, (peer) => peer.device, this.#peers),
      probes: changed(data.probes, (probe) => probe.id, this.#probes),
    };
  }
}

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
