import type { PeerItem, StateItem } from '@sallyport/contract/channel';
import { restingPeer } from '../reconcile/wanted.ts';
import type { Carrier } from './chooser.ts';
import type { PathFinder } from './finder.ts';
import type { Candidate } from './search.ts';
import type { Traffic } from './traffic.ts';
import type { PathView } from './types.ts';

/** The tunnel to one gateway. */
export interface Tunnel {
  readonly item: PeerItem;
  readonly finder: PathFinder;
  readonly traffic: Traffic;
}

/** Returns the facts for the choice of gateways, by gateway id. */
export function carriersOf(tunnels: ReadonlyMap<string, Tunnel>): Map<string, Carrier> {
  return new Map(
    [...tunnels].map(([id, { item, finder }]) => {
      const { name, standing } = item;
      const { isUp: up, rttMs, isMeasured, readyAt } = finder;
      const unreachable = new Set(item.unreachable);
      const owns = new Set(restingPeer(item).allowedIps);
      return [id, { name, standing, unreachable, up, rttMs, isMeasured, readyAt, owns }];
    }),
  );
}

/** Returns possible endpoints of the gateway, best first. `resolve` returns the known addresses of a name. */
export function candidatesOf(item: PeerItem, resolve: (endpoint: string) => readonly string[]): Candidate[] {
  const direct = item.endpoints.map((endpoint) => ({ endpoint, relay: null }));
  const relays = item.relays.map(({ gateway, endpoint }) => ({ endpoint, relay: gateway }));
  return [...direct, ...relays].flatMap(({ endpoint, relay }) =>
    resolve(endpoint).map((resolved) => ({ endpoint: resolved, relay })),
  );
}

/** Returns the view of a tunnel for `sally status`. */
export function viewOf({ item, finder }: Tunnel): PathView {
  const { state, relay, status, rttMs } = finder;
  return {
    ...{ peer: item.id, name: item.name, state, relay, rttMs },
    endpoint: status?.endpoint ?? finder.endpoint,
    lastHandshake: status?.lastHandshake ?? null,
    rxBytes: status?.rxBytes ?? 0,
    txBytes: status?.txBytes ?? 0,
    standing: item.standing,
  };
}

/** Returns whether two states consist of the same objects. */
export function sameItems(a: readonly StateItem[], b: readonly StateItem[]): boolean {
  return a.length === b.length && a.every((item, n) => item === b[n]);
}
