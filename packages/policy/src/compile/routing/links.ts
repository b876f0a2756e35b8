import type { PeerItem, StateItem } from '@sallyport/contract/channel';
import type { Rebuilt } from '../gateway/gateways.ts';
import { type PeerUse, peerItem, standingOf } from '../indexes/facts.ts';
import { computed, Multimap } from '../indexes/maps.ts';
import type { Linked, Pairs } from './pairs.ts';
import type { RouteChanges } from './route-changes.ts';
import { type Carrier, latest } from './routing.ts';
import type { Tenant } from './tenant.ts';
import { type FoundTransits, type Outward, outwardOf, type Transit } from './transit.ts';

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** Tunnels between gateways: what each gateway sends on to which carrier, and what may come in from which gateway. */
export class Links {
  readonly #tenant: Tenant;
  readonly #pairs: Pairs;
  readonly #transits = new Map<string, Transit>();
  readonly #byOrigin = new Multimap<string>();
  /** Ids of the transits that come in at a carrier from other gateways. */
  readonly #inward = new Multimap<string>();
  readonly #outward = new Map<string, Outward>();

  constructor(tenant: Tenant, pairs: Pairs) {
    this.#tenant = tenant;
    this.#pairs = pairs;
  }

  /** Returns the transits that come in at a gateway, or would if it were in service. */
  behind(gateway: string): ReadonlySet<string> {
    return this.#byOrigin.get(gateway);
  }

  /**
   * Takes transits, and renews the links of each gateway that they, its rebuilt destinations or changes of its
   * neighbours affect.
   */
  renew(transits: FoundTransits, rebuilt: Rebuilt, { neighbours }: RouteChanges): Linked {
    const stale = new Set<string>();
    for (const [id, transit] of transits) this.#set(id, transit, stale);
    for (const id of rebuilt.destinations) if (this.#byOrigin.get(id).size > 0) stale.add(id);
    const gateways = new Set<string>();
    for (const id of stale) for (const gateway of this.#renewOutward(id)) gateways.add(gateway);
    for (const id of neighbours) for (const gateway of this.#neighbours(id)) gateways.add(gateway);
    for (const id of gateways) this.#tenant.states.get(id)?.store.replace('links', this.#itemsOf(id));
    return { linked: gateways };
  }

  #set(id: string, transit: Transit | null, stale: Set<string>): void {
    const before = this.#transits.get(id);
    for (const version of [before, transit]) for (const gateway of version?.byOrigin.keys() ?? []) stale.add(gateway);
    for (const gateway of before?.origins ?? []) this.#byOrigin.delete(gateway, id);
    for (const gateway of transit?.origins ?? []) this.#byOrigin.add(gateway, id);
    if (transit === null) this.#transits.delete(id);
    else this.#transits.set(id, transit);
  }

  /** Renews what a gateway sends on. Returns the gateways whose tunnels may change. */
  #renewOutward(id: string): Set<string> {
    const before = this.#outward.get(id);
    const transits = [...this.#byOrigin.get(id)].sort().flatMap((transit) => this.#transits.get(transit) ?? []);
    const outward = outwardOf(this.#tenant, id, transits);
    if (outward.transits.size === 0) this.#outward.delete(id);
    else this.#outward.set(id, outward);
    const carriers = new Set([before, outward].flatMap((version) => [...(version?.routing.carriers.keys() ?? [])]));
    for (const carrier of carriers) this.#renewInward(carrier, [before, outward]);
    return carriers.add(id);
  }

  #renewInward(carrier: string, versions: readonly (Outward | undefined)[]): void {
    const ids = new Set(versions.flatMap((version) => [...(version?.transits.keys() ?? [])]));
    for (const id of ids) {
      const comes = this.#comingFrom(id, carrier).length > 0;
      this.#inward[comes ? 'add' : 'delete'](carrier, id);
    }
  }

  /** Returns the gateways from which a transit comes in at a carrier, best first. */
  #comingFrom(transit: string, carrier: string): string[] {
    const origins = this.#transits.get(transit)?.origins ?? [];
    return origins.filter((id) => this.#outward.get(id)?.transits.get(transit)?.carriers.has(carrier));
  }

  *#neighbours(id: string): Generator<string> {
    if (!this.#outward.has(id) && this.#inward.get(id).size === 0) return;
    yield id;
    yield* this.#outward.get(id)?.routing.carriers.keys() ?? [];
    for (const transit of this.#inward.get(id)) yield* this.#comingFrom(transit, id);
  }

  #itemsOf(id: string): StateItem[] {
    const { routing, transits } = this.#outward.get(id) ?? { routing: null, transits: new Map<string, never>() };
    const sites = [...transits].filter(([, { kind }]) => kind === 'site');
    const egress = sites.map(([transit, { sources, destinations, expiresAt }]): StateItem => {
      const common = { sources: [...sources], destinations: [...destinations], expiresAt };
      return { kind: 'egress', key: `egress/${transit}`, id: transit, ...common };
    });
    return [...(routing?.routes ?? []), ...egress, ...this.#peersOf(id, routing?.carriers ?? new Map())];
  }

  #peersOf(id: string, carriers: ReadonlyMap<string, Carrier>): PeerItem[] {
    const peers = new Map<string, Mutable<PeerUse>>();
    for (const [carrier, { expiresAt, resources }] of carriers)
      peers.set(carrier, { resources, sources: [], relays: [], expiresAt });
    for (const transit of [...this.#inward.get(id)].sort()) this.#comeIn(transit, id, peers);
    return [...peers].flatMap(([other, use]) => {
      const gateway = this.#tenant.usable(other);
      if (gateway === null) return [];
      const relays = this.#pairs.between(id, other);
      return [peerItem(gateway, { ...use, relays, sources: [...use.sources].sort() })];
    });
  }

  /** A source belongs to one peer only: the first in order that takes new flows, else the first. */
  #comeIn(transit: string, carrier: string, peers: Map<string, Mutable<PeerUse>>): void {
    const from = this.#comingFrom(transit, carrier);
    const isActive = (id: string) => {
      const gateway = this.#tenant.usable(id);
      return gateway !== null && standingOf(gateway) === 'ACTIVE';
    };
    const owner = from.find(isActive) ?? from[0];
    for (const id of from) {
      const known = peers.get(id);
      const { sources = [], carriers } = this.#outward.get(id)?.transits.get(transit) ?? {};
      const expiresAt = carriers?.get(carrier)?.expiresAt ?? null;
      const peer = computed(peers, id, () => ({ resources: new Set<string>(), sources: [], relays: [], expiresAt }));
      if (known !== undefined) peer.expiresAt = latest(known.expiresAt, expiresAt);
      if (id === owner) peer.sources = [...peer.sources, ...sources];
    }
  }
}
