import type { ClientItem, StateDelta, StateItem } from '@sallyport/contract/channel';
import { conditionOf, isAlive } from '../../matching.ts';
import { inputsOf, whyUnmet } from '../../rules/index.ts';
import type { WorldDevice, WorldSettings } from '../../types.ts';
import type { Audience } from '../audience/audiences.ts';
import type { Effects } from '../audience/effects.ts';
import { hostPrefix } from '../indexes/facts.ts';
import { deltaOf, hashOf, Layer } from '../indexes/layer.ts';
import { Multimap } from '../indexes/maps.ts';
import type { Pairs } from '../routing/pairs.ts';
import type { Tenant } from '../routing/tenant.ts';
import { Outlook, type Unmet } from './outlook.ts';

interface Followed {
  outlook: Outlook | null;
  /** What it has of its own: its interface, and its peers when a gateway relays for any of them. */
  client: Layer;
  relayed: Layer | null;
  /** Layers of the state that was told last. */
  told: readonly Layer[];
}

/** States of the native devices that somebody follows, made of layers that those have in common who see the same. */
export class DeviceStates {
  readonly #tenant: Tenant;
  readonly #pairs: Pairs;
  readonly #audienceOf: (device: string) => Audience | undefined;
  readonly #followed = new Map<string, Followed>();
  readonly #outlooks = new Map<string, Outlook>();
  readonly #byPolicy = new Multimap<Outlook>();
  readonly #byAudience = new Map<Audience, Set<Outlook>>();
  readonly #byGateway = new Multimap<Outlook>();
  #common = Layer.empty;

  constructor(tenant: Tenant, pairs: Pairs, audienceOf: (device: string) => Audience | undefined) {
    this.#tenant = tenant;
    this.#pairs = pairs;
    this.#audienceOf = audienceOf;
    this.#renewCommon(new Set());
  }

  has(id: string): boolean {
    return this.#followed.has(id);
  }

  follow(id: string): void {
    if (this.#followed.has(id)) return;
    const device: Followed = { outlook: null, client: Layer.empty, relayed: null, told: [] };
    this.#followed.set(id, device);
    this.#place(id, device);
    this.#renewOwn(id, device);
    device.told = this.#layers(device);
  }

  unfollow(id: string): void {
    const device = this.#followed.get(id);
    if (device !== undefined) this.#move(id, device, null);
    this.#followed.delete(id);
  }

  items(id: string): StateItem[] {
    return (this.#followed.get(id)?.told ?? []).flatMap((layer) => [...layer.all()]);
  }

  hash(id: string): string {
    return hashOf(this.#followed.get(id)?.told ?? []);
  }

  /** Follows what changed; the gateways' own states must have done so. */
  renew(effects: Effects): Map<string, StateDelta> {
    const dirty = new Set<string>();
    if (effects.common) this.#renewCommon(dirty);
    const stale = this.#staleOutlooks(effects);
    for (const id of effects.devices.rematch) this.#rematch(id, dirty);
    for (const id of effects.clients) if (this.#followed.has(id)) dirty.add(id);
    if (effects.settings) for (const id of this.#followed.keys()) dirty.add(id);
    for (const outlook of stale) if (outlook.members.size > 0) this.#renewOutlook(outlook, dirty);
    for (const gateway of effects.peers)
      for (const outlook of this.#byGateway.get(gateway))
        if (!stale.has(outlook)) this.#renewPeers(outlook, gateway, dirty);
    return this.#settle(dirty);
  }

  #renewCommon(dirty: Set<string>): void {
    const common = this.#common.replacedBy(this.#tenant.common());
    if (common !== this.#common) for (const id of this.#followed.keys()) dirty.add(id);
    this.#common = common;
  }

  #staleOutlooks(effects: Effects): Set<Outlook> {
    const { universal } = this.#tenant.policies;
    const everybody =
      effects.settings ||
      effects.universal.size > 0 ||
      effects.steering.values().some((policy) => universal.has(policy));
    if (everybody) return new Set(this.#outlooks.values());
    const stale = new Set<Outlook>();
    for (const policy of effects.steering) for (const outlook of this.#byPolicy.get(policy)) stale.add(outlook);
    for (const audience of effects.placed)
      for (const outlook of this.#byAudience.get(audience) ?? []) stale.add(outlook);
    return stale;
  }

  #rematch(id: string, dirty: Set<string>): void {
    const device = this.#followed.get(id);
    if (device === undefined) return;
    dirty.add(id);
    this.#place(id, device);
  }

  /** Finds the outlook of a device; one that nobody had is renewed here. */
  #place(id: string, followed: Followed): void {
    const device = this.#tenant.world.devices.get(id);
    const audience = this.#audienceOf(id);
    if (device === undefined || audience === undefined || !device.native || !isAlive(this.#tenant.world, device)) {
      this.#move(id, followed, null);
      return;
    }
    const unmet = this.#unmetOf(device, audience);
    const key = JSON.stringify([audience.key, unmet.map(({ policy, reason }) => [policy, reason])]);
    const known = this.#outlooks.get(key);
    if (known !== undefined) {
      this.#move(id, followed, known);
      return;
    }
    const outlook = new Outlook(key, audience, unmet);
    this.#index(outlook, 'add');
    this.#move(id, followed, outlook);
    this.#renewOutlook(outlook, new Set());
  }

  /** Policies that are about a device, but whose rule is not met. */
  #unmetOf(device: WorldDevice, audience: Audience): Unmet[] {
    const { world, policies } = this.#tenant;
    const met = new Set(audience.terms.filter((term) => term.met).map(({ policy }) => policy));
    const inputs = inputsOf(world, device);
    return policies.matched(device).flatMap((id) => {
      const policy = policies.get(id);
      const rule = policy === undefined || met.has(id) ? null : conditionOf(world, policy);
      return rule === null ? [] : [{ policy: id, reason: whyUnmet(rule, inputs) }];
    });
  }

  #move(id: string, device: Followed, to: Outlook | null): void {
    const from = device.outlook;
    if (from === to) return;
    from?.members.delete(id);
    to?.members.add(id);
    device.outlook = to;
    if (from !== null && from.members.size === 0) {
      for (const gateway of from.gateways) this.#byGateway.delete(gateway, from);
      this.#index(from, 'delete');
    }
  }

  #index(outlook: Outlook, action: 'add' | 'delete'): void {
    const { key, audience, unmet } = outlook;
    for (const { policy } of [...audience.terms, ...unmet]) this.#byPolicy[action](policy, outlook);
    const alike = this.#byAudience.get(audience) ?? new Set();
    alike[action](outlook);
    if (alike.size > 0) this.#byAudience.set(audience, alike);
    else this.#byAudience.delete(audience);
    if (action === 'add') this.#outlooks.set(key, outlook);
    else this.#outlooks.delete(key);
  }

  #renewOutlook(outlook: Outlook, dirty: Set<string>): void {
    for (const gateway of outlook.gateways) this.#byGateway.delete(gateway, outlook);
    const { routes, peers, mtu } = outlook;
    outlook.renew(this.#tenant);
    for (const gateway of outlook.gateways) this.#byGateway.add(gateway, outlook);
    const same = routes === outlook.routes && peers === outlook.peers && mtu === outlook.mtu;
    if (!same) for (const id of outlook.members) dirty.add(id);
  }

  #renewPeers(outlook: Outlook, gateway: string, dirty: Set<string>): void {
    const { peers, mtu } = outlook;
    outlook.renewPeers(this.#tenant, gateway);
    if (peers !== outlook.peers || mtu !== outlook.mtu) for (const id of outlook.members) dirty.add(id);
  }

  #renewOwn(id: string, followed: Followed): void {
    const { world } = this.#tenant;
    const device = world.devices.get(id);
    const { outlook } = followed;
    const client = device?.native ? [clientItem(device, world.settings, outlook?.mtu ?? world.settings.mtu)] : [];
    followed.client = followed.client.replacedBy(client);
    const relayed = outlook !== null && this.#pairs.withAgent(id).size > 0;
    followed.relayed = relayed
      ? (followed.relayed ?? Layer.empty).replacedBy(
          outlook.peersWith(this.#tenant, (gateway) => this.#pairs.granted(id, gateway)),
        )
      : null;
  }

  #layers({ outlook, client, relayed }: Followed): readonly Layer[] {
    if (outlook === null) return [client];
    return [client, this.#common, outlook.routes, relayed ?? outlook.peers];
  }

  #settle(dirty: Iterable<string>): Map<string, StateDelta> {
    const deltas = new Map<string, StateDelta>();
    for (const id of dirty) {
      const device = this.#followed.get(id);
      if (device === undefined) continue;
      this.#renewOwn(id, device);
      const layers = this.#layers(device);
      const gone = !this.#tenant.world.devices.has(id);
      const delta = gone ? null : deltaOf(padded(device.told), padded(layers));
      device.told = layers;
      if (delta !== null) deltas.set(id, delta);
    }
    return deltas;
  }
}

/** All four layers of a state. */
function padded(layers: readonly Layer[]): readonly Layer[] {
  return [0, 1, 2, 3].map((i) => layers[i] ?? Layer.empty);
}

function clientItem(
  { addresses }: WorldDevice,
  { overlay, localNetwork = 'RESOLVERS' }: WorldSettings,
  mtu: number,
): ClientItem {
  return {
    kind: 'client',
    key: 'client',
    addresses: addresses.map(hostPrefix),
    overlay: { v4: overlay.v4, v6: overlay.v6 },
    mtu,
    ...(localNetwork !== 'RESOLVERS' && { localNetwork }),
  };
}
