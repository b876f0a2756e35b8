import type { PeerItem, RelayItem } from '@sallyport/contract/channel';
import type { WorldRelay } from '../../types.ts';
import type { Shown } from '../gateway/gateways.ts';
import { relayEndpoint } from '../indexes/facts.ts';
import { Multimap, type ReadonlyMultimap } from '../indexes/maps.ts';
import type { Tenant } from './tenant.ts';

/** Bytes per second that a gateway forwards for one pair, at most. */
const pairRate = 125_000_000;

type Side = RelayItem['peers'][number];

/** Changes of pairs. */
export interface RelayChanges {
  /** Ids of pairs for which a gateway may relay in another way. */
  readonly pairs: ReadonlySet<string>;
  /** Agents at the ends of those pairs. */
  readonly ends: ReadonlySet<string>;
  /** The same agents by the other end: its item about them may change. */
  readonly items: ReadonlyMultimap;
}

/** Gateways whose links to other gateways were renewed. */
export interface Linked {
  readonly linked: ReadonlySet<string>;
}

/** What was renewed about pairs. */
export interface Relayed {
  /** Gateways that relay for a renewed pair, or did before. */
  readonly relaying: ReadonlySet<string>;
  /** Agents that may have to be told about another relay. */
  readonly ends: ReadonlySet<string>;
}

/** Pairs of agents for which gateways relay, found by each agent that takes part. */
export class Pairs {
  readonly #byAgent = new Multimap();
  readonly #tenant: Tenant;
  /** The gateway that was told about each pair. */
  readonly #told = new Map<string, string>();

  constructor(tenant: Tenant) {
    this.#tenant = tenant;
  }

  /** Adds or removes a version of a pair. */
  link({ id, a, b, relay }: WorldRelay, action: 'add' | 'delete'): void {
    for (const agent of [a, b, relay]) this.#byAgent[action](agent, id);
  }

  /** Returns the ids of the pairs in which an agent takes part, as an end or as the relay. */
  withAgent(agent: string): ReadonlySet<string> {
    return this.#byAgent.get(agent);
  }

  /** Returns where gateways relay between two agents. */
  between(a: string, b: string): PeerItem['relays'] {
    const [ofA, ofB] = [this.#byAgent.get(a), this.#byAgent.get(b)];
    if (ofA.size === 0 || ofB.size === 0) return [];
    const ids = ofA.intersection(ofB);
    return [...ids].sort().flatMap((id) => {
      const pair = this.#tenant.world.relays.get(id);
      if (pair === undefined || pair.relay === a || pair.relay === b) return [];
      const endpoint = this.#endpoint(pair);
      return endpoint === null ? [] : [{ gateway: pair.relay, endpoint }];
    });
  }

  /** Returns where gateways relay between two agents while they may talk to each other; else nothing. */
  granted(a: string, b: string): PeerItem['relays'] {
    return this.#grant(a, b) === null ? [] : this.between(a, b);
  }

  /**
   * Renews the items of relaying gateways for the pairs that changes, shown devices or links between gateways affect.
   */
  renew(changes: RelayChanges, shown: Shown, { linked }: Linked): Relayed {
    const [ids, ends, gateways] = [new Set(changes.pairs), new Set(changes.ends), new Set<string>()];
    for (const [id, end] of this.#endsShown(shown)) {
      ids.add(id);
      ends.add(end);
    }
    for (const gateway of linked) for (const id of this.#byAgent.get(gateway)) ids.add(id);
    for (const id of ids) for (const gateway of this.#renewPair(id)) gateways.add(gateway);
    return { relaying: gateways, ends };
  }

  /** A gateway relays for a device, and the device is told so, while another gateway grants it something. */
  *#endsShown({ devices }: Shown): Generator<readonly [id: string, end: string]> {
    for (const [gateway, shown] of devices.entries())
      for (const id of this.#byAgent.get(gateway)) {
        const { a, b } = this.#tenant.world.relays.get(id) ?? { a: '', b: '' };
        for (const end of [a, b]) if (shown.has(end)) yield [id, end];
      }
  }

  /** Renews the item of one pair. Returns the gateway that relayed and the one that relays now. */
  #renewPair(id: string): string[] {
    const [before, item] = [this.#told.get(id), this.#item(id)];
    const now = item === null ? undefined : this.#tenant.world.relays.get(id)?.relay;
    if (before !== undefined && before !== now) this.#tenant.states.get(before)?.store.remove(`relay/${id}`);
    if (item !== null && now !== undefined) this.#tenant.states.get(now)?.store.put(item);
    if (now === undefined) this.#told.delete(id);
    else this.#told.set(id, now);
    return [before, now].filter((gateway) => gateway !== undefined);
  }

  /** Returns the item for the relaying gateway of a pair; null while its ends may not talk through it. */
  #item(id: string): RelayItem | null {
    const pair = this.#tenant.world.relays.get(id);
    if (pair === undefined || this.#endpoint(pair) === null) return null;
    const [a, b, grant] = [this.#side(pair.a), this.#side(pair.b), this.#grant(pair.a, pair.b)];
    if (a === null || b === null || grant === null) return null;
    const { port } = pair;
    const { expiresAt } = grant;
    return { kind: 'relay', key: `relay/${id}`, id, port, peers: [a, b], bytesPerSecond: pairRate, expiresAt };
  }

  /**
   * Returns the relay endpoint of a pair. Null: the gateway does not relay at that port, or an end cannot have a
   * tunnel.
   */
  #endpoint({ a, b, relay, port }: WorldRelay): string | null {
    const gateway = this.#tenant.world.gateways.get(relay);
    if (gateway === undefined || a === b || relay === a || relay === b) return null;
    if (!this.#isEnd(a) || !this.#isEnd(b)) return null;
    const { from, to } = gateway.relayPorts;
    return from < port && port <= to ? relayEndpoint(gateway, port) : null;
  }

  /** Returns whether an agent can have a tunnel. Plain devices are not agents. */
  #isEnd(id: string): boolean {
    return this.#tenant.usable(id) !== null || this.#tenant.world.devices.get(id)?.native === true;
  }

  #side(id: string): Side | null {
    const device = this.#tenant.world.devices.get(id);
    if (device !== undefined) return { id, publicKey: device.publicKey, endpoint: device.endpoint };
    const gateway = this.#tenant.usable(id);
    return gateway === null ? null : { id, publicKey: gateway.publicKey, endpoint: gateway.endpoints[0] ?? null };
  }

  /** Returns until when the ends may talk to each other; null: they may not. */
  #grant(a: string, b: string): { readonly expiresAt: number | null } | null {
    const { states } = this.#tenant;
    if (this.#tenant.usable(a) !== null && this.#tenant.usable(b) !== null) {
      const peer = states.get(a)?.store.get(`peer/${b}`);
      return peer?.kind === 'peer' ? peer : null;
    }
    const [gateway, device] = states.has(a) ? [a, b] : [b, a];
    if (this.#tenant.usable(gateway) === null) return null;
    const item = states.get(gateway)?.store.get(`device/${device}`);
    return item?.kind === 'device' && item.profile !== null && item.via === null ? item : null;
  }
}
