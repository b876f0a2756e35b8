import type { PeerItem, ResourceItem, StateItem } from '@sallyport/contract/channel';
import type { World } from '../../world.ts';
import type { Audience } from '../audience/audiences.ts';
import { isAwaiting } from '../audience/matches.ts';
import { peerItem } from '../indexes/facts.ts';
import { same } from '../indexes/items.ts';
import { Layer } from '../indexes/layer.ts';
import { type RouteCandidate, sameCandidates } from '../routing/candidates.ts';
import { type FullTunnel, fullTunnel } from '../routing/full-tunnel.ts';
import { type Carrier, latest, type Routing, routeItem, routingOf } from '../routing/routing.ts';
import type { Tenant } from '../routing/tenant.ts';
import { refusals, type Unmet } from './denials.ts';
import { deviceNames } from './device-names.ts';
import { pingHints } from './ping-hints.ts';

/** What devices see that share an audience and have equal refusals: routes, resources and peers. */
export class DeviceView {
  readonly key: string;
  readonly audience: Audience;
  readonly unmet: readonly Unmet[];
  /** Followed devices. */
  readonly members = new Set<string>();
  /** Routes, names and resources. */
  routes = Layer.empty;
  /** Peers, for members without a relay. */
  peers = Layer.empty;
  /** Largest packet in a member's tunnel, in bytes: the smallest MTU of its gateways. */
  mtu = Number.POSITIVE_INFINITY;
  #candidates: readonly RouteCandidate[] = [];
  #routing: Routing | null = null;
  #carriers: ReadonlyMap<string, Carrier> = new Map();

  constructor(key: string, audience: Audience, unmet: readonly Unmet[]) {
    this.key = key;
    this.audience = audience;
    this.unmet = unmet;
  }

  /** Ids of the gateways to which members have a tunnel. */
  get gateways(): Iterable<string> {
    return this.#carriers.keys();
  }

  /** Computes routes, names, resources and peers again. */
  renew(tenant: Tenant): void {
    const tunnel = fullTunnel(tenant.world, tenant.policies, this.audience.matches);
    const routing = this.#route(tenant);
    const carriers = new Map(routing.carriers);
    const routes = [...routing.routes, ...tunnelRoutes(tunnel, carriers, tenant)];
    this.#await(carriers, tenant);
    this.#carriers = carriers;
    const names = deviceNames(routing.carried, tenant.resources);
    this.routes = this.routes.replacedBy([...routes, ...names, ...this.#resources(routing, tenant)]);
    this.renewPeers(tenant);
  }

  /** Renews the peers after changes of gateways that move no route. `only`: one gateway changed. */
  renewPeers(tenant: Tenant, only?: string): void {
    this.mtu = smallestMtu(tenant.world, this.#carriers.keys());
    const known = (id: string) => this.peers.get(`peer/${id}`);
    const changed = only === undefined ? null : this.#peer(only, tenant, []);
    const before = only === undefined ? undefined : known(only);
    if (changed !== null && before !== undefined && same(before, changed)) return;
    const peers = [...this.#carriers.keys()].flatMap((id) => {
      const kept = only === undefined || id === only ? undefined : known(id);
      return kept ?? this.#peer(id, tenant, []) ?? [];
    });
    this.peers = this.peers.replacedBy(peers);
  }

  /** Returns the peers of one member, with its own relays. */
  peersWith(tenant: Tenant, relays: (gateway: string) => PeerItem['relays']): StateItem[] {
    return [...this.#carriers.keys()].flatMap((id) => this.#peer(id, tenant, relays(id)) ?? []);
  }

  #peer(id: string, tenant: Tenant, relays: PeerItem['relays']): PeerItem | null {
    const [gateway, carrier] = [tenant.usable(id), this.#carriers.get(id)];
    if (gateway === null || carrier === undefined) return null;
    const { resources, expiresAt } = carrier;
    return peerItem(gateway, { resources, relays, sources: [], expiresAt });
  }

  #route(tenant: Tenant): Routing {
    const candidates = tenant.candidates(this.audience);
    if (this.#routing !== null && sameCandidates(this.#candidates, candidates)) return this.#routing;
    this.#candidates = candidates;
    this.#routing = routingOf(candidates, tenant.policies, null, this.#routing);
    return this.#routing;
  }

  /** Adds gateways that must see the address of a device, because a rule waits for it. */
  #await(carriers: Map<string, Carrier>, tenant: Tenant): void {
    for (const id of this.audience.gateways) {
      const state = tenant.usable(id) === null ? undefined : tenant.states.get(id);
      if (state === undefined || carriers.has(id)) continue;
      if (this.audience.matches.some((match) => isAwaiting(match) && state.touches(this.audience, match.policy)))
        carriers.set(id, { expiresAt: null, resources: new Set() });
    }
  }

  #resources(routing: Routing, tenant: Tenant): ResourceItem[] {
    return refusals(this.audience.matches, this.unmet, routing, tenant).map(({ resource, denied }) => ({
      kind: 'resource',
      key: `resource/${resource.id}`,
      id: resource.id,
      name: resource.name,
      denied,
      ping: pingHints(resource),
    }));
  }
}

/**
 * Returns the default routes of a full tunnel. They lead through the gateways of the policy. Where the policy closes
 * the internet, they lead through any gateway that the device has, or nowhere: traffic must not fall back to the
 * device's own connection.
 */
function tunnelRoutes(tunnel: FullTunnel | null, carriers: Map<string, Carrier>, tenant: Tenant) {
  if (tunnel === null) return [];
  const gateways = (tunnel.gateways ?? [...carriers.keys()].sort()).filter((id) => tenant.usable(id) !== null);
  if (tunnel.gateways !== null)
    for (const id of gateways) {
      const { expiresAt = tunnel.until, resources = new Set<string>() } = carriers.get(id) ?? {};
      carriers.set(id, { expiresAt: latest(expiresAt, tunnel.until), resources });
    }
  return tunnel.prefixes.map((prefix) => routeItem(prefix, { mode: 'MANUAL', gateways, resources: [] }));
}

/** Returns the largest packet, in bytes, that fits into the tunnels to all of some gateways. */
export function smallestMtu({ gateways, settings }: World, ids: Iterable<string>): number {
  return [...ids].reduce((least, id) => Math.min(least, gateways.get(id)?.mtu ?? least), settings.mtu);
}
