import { Counter, Gauge, type Registry } from 'prom-client';
import type { Beacon } from '../beacon/beacon.ts';
import type { Paths } from '../paths/paths.ts';

/** What the figures of paths are read from. */
export interface FollowedPaths {
  readonly beacon: Pick<Beacon, 'counters' | 'kinds'>;
  readonly paths: Pick<Paths, 'counters'>;
}

/** Registers the figures of the beacon and of path finding, which are read at each scrape. */
export function pathMetrics(registers: Registry[], { beacon, paths }: FollowedPaths): void {
  const counts = (name: string, help: string, label: string, values: () => Iterable<readonly [string, number]>) =>
    new Counter({
      name,
      help,
      labelNames: [label],
      registers,
      collect() {
        this.reset();
        for (const [value, count] of values()) this.inc({ [label]: value }, count);
      },
    });
  const count = (name: string, help: string, value: () => number) =>
    new Counter({
      name,
      help,
      registers,
      collect() {
        this.reset();
        this.inc(value());
      },
    });
  count('sallyport_beacon_handshakes_total', 'Handshakes completed with the beacon', () => beacon.counters.handshakes);
  counts('sallyport_beacon_refused_total', 'Datagrams that the beacon did not take', 'reason', () =>
    beacon.counters.refusals.entries(),
  );
  new Gauge({
    name: 'sallyport_beacon_agents',
    help: 'Agents that the beacon hears, by what their NAT does: independent of the destination, dependent, undecided',
    labelNames: ['mapping'],
    registers,
    collect() {
      for (const [mapping, agents] of Object.entries(beacon.kinds())) this.set({ mapping }, agents);
    },
  });
  counts('sallyport_path_requests_total', 'Agents that asked for a path to a peer', 'outcome', () =>
    Object.entries(paths.counters.requests),
  );
  count('sallyport_path_punches_total', 'Agents told to send to a peer', () => paths.counters.punches);
  counts('sallyport_relay_requests_total', 'Pairs of agents that asked for a relay', 'outcome', () =>
    Object.entries(paths.counters.relays),
  );
}
