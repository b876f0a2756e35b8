import type { ClientItem, StateDelta, StateItem } from '@sallyport/contract/channel';
import { conditionOf, isAlive } from '../../matching.ts';
import { inputsOf, whyUnmet } from '../../rules/index.ts';
import type { WorldDevice, WorldSettings } from '../../types.ts';
import type { Audience } from '../audience/audiences.ts';
import type { Regrouped } from '../audience/members.ts';
import type { Placed, Rebuilt } from '../gateway/gateways.ts';
import { CommonLayers } from '../indexes/beacons.ts';
import { hostPrefix } from '../indexes/facts.ts';
import { deltaOf, hashOf, Layer } from '../indexes/layer.ts';
import { Multimap } from '../indexes/maps.ts';
import { Steps } from '../indexes/steps.ts';
import type { Pairs, Relayed } from '../routing/pairs.ts';
import { affectEveryDevice, type RouteChanges } from '../routing/route-changes.ts';
import type { Tenant } from '../routing/tenant.ts';
import type { Unmet } from './denials.ts';
import { DeviceView } from './device-view.ts';

/** Work of finding the view of a device, and of renewing a view, in units of a step. */
const perDevice = 8;
const perView = 50;

interface Followed {
  view: DeviceView | null;
  /** Items of this device alone: its interface, and its peers when it has relays. */
  client: Layer;
  relayed: Layer | null;
  /** Layers of the last state that was returned. */
  told: readonly Layer[];
  /** What `client` was made of. */
  madeOf: readonly unknown[];
}

/** The states of followed native devices. They consist of layers, which devices with the same view share. */
export class DeviceStates {
  readonly #tenant: Tenant;
  readonly #pairs: Pairs;
  readonly #audienceOf: (device: string) => Audience | undefined;
  readonly #followed = new Map<string, Followed>();
  readonly #views = new Map<string, DeviceView>();
  readonly #byPolicy = new Multimap<DeviceView>();
  readonly #byAudience = new Map<Audience, Set<DeviceView>>();
  readonly #byGateway = new Multimap<DeviceView>();
  /** Followed devices whose state may be out of date. */
  readonly #pending = new Set<string>();
  readonly #common = new CommonLayers();

  constructor(tenant: Tenant, pairs: Pairs, audienceOf: (device: string) => Audience | undefined) {
    this.#tenant = tenant;
    this.#pairs = pairs;
    this.#audienceOf = audienceOf;
    this.#renewCommon();
  }

  /** Returns whether a device is followed. */
  has(id: string): boolean {
    return this.#followed.has(id);
  }

  /** Starts to keep up the state of a device. */
  follow(id: string): void {
    if (this.#followed.has(id)) return;
    const device: Followed = { view: null, client: Layer.empty, relayed: null, told: [], madeOf: [] };
    this.#followed.set(id, device);
    this.#place(id, device);
    this.#renewOwn(id, device);
    device.told = this.#layers(id, device);
  }

  /** Drops the state of a device. */
  unfollow(id: string): void {
    const device = this.#followed.get(id);
    if (device !== undefined) this.#move(id, device, null);
    this.#followed.delete(id);
    this.#pending.delete(id);
  }

  /** Returns the items of a followed device, as of the last time that it was renewed. */
  items(id: string): StateItem[] {
    return (this.#followed.get(id)?.told ?? []).flatMap((layer) => [...layer.all()]);
  }

  /** Returns the hash of the items of a followed device. */
  hash(id: string): string {
    return hashOf(this.#followed.get(id)?.told ?? []);
  }

  /** Follows changes: renews what devices share, and marks the devices whose state may be out of date. */
  *mark(
    routes: RouteChanges,
    rebuilt: Rebuilt,
    { rematched }: Regrouped<'device'>,
    placed: Placed,
    { ends }: Relayed,
  ): Generator<null, void> {
    if (rebuilt.common) this.#renewCommon();
    const stale = this.#staleViews(routes, placed);
    const steps = new Steps();
    for (const id of rematched) {
      this.#rematch(id);
      if (steps.done(perDevice)) yield null;
    }
    for (const id of ends) if (this.#followed.has(id)) this.#pending.add(id);
    if (routes.settings) for (const id of this.#followed.keys()) this.#pending.add(id);
    for (const view of stale) {
      if (view.members.size > 0) this.#renewView(view);
      if (steps.done(perView)) yield null;
    }
    for (const gateway of routes.peers)
      for (const view of this.#byGateway.get(gateway)) if (!stale.has(view)) this.#renewPeers(view, gateway);
  }

  /** Brings marked devices up to date, one at a time. Returns what changed for each of them, if anything did. */
  *renew(): Generator<readonly [string, StateDelta]> {
    for (const id of this.#pending) {
      const delta = this.renewOne(id);
      if (delta !== null) yield [id, delta];
    }
  }

  /** Brings a device up to date. Returns what changed, or null. */
  renewOne(id: string): StateDelta | null {
    const device = this.#pending.delete(id) ? this.#followed.get(id) : undefined;
    if (device === undefined) return null;
    this.#renewOwn(id, device);
    const layers = this.#layers(id, device);
    const gone = !this.#tenant.world.devices.has(id);
    const delta = gone ? null : deltaOf(padded(device.told), padded(layers));
    device.told = layers;
    return delta;
  }

  #renewCommon(): void {
    if (!this.#common.renew(this.#tenant.world)) return;
    for (const id of this.#followed.keys()) this.#pending.add(id);
  }

  #staleViews(routes: RouteChanges, placed: Placed): Set<DeviceView> {
    if (affectEveryDevice(routes, this.#tenant.policies)) return new Set(this.#views.values());
    const stale = new Set<DeviceView>();
    for (const policy of routes.steering) for (const view of this.#byPolicy.get(policy)) stale.add(view);
    for (const audience of placed.audiences) for (const view of this.#byAudience.get(audience) ?? []) stale.add(view);
    return stale;
  }

  #rematch(id: string): void {
    const device = this.#followed.get(id);
    if (device === undefined) return;
    this.#pending.add(id);
    this.#place(id, device);
  }

  /** Finds the view of a device. A view that no device had before is computed here. */
  #place(id: string, followed: Followed): void {
    const device = this.#tenant.world.devices.get(id);
    const audience = this.#audienceOf(id);
    if (device === undefined || audience === undefined || !device.native || !isAlive(this.#tenant.world, device)) {
      this.#move(id, followed, null);
      return;
    }
    const unmet = this.#unmetOf(device, audience);
    const key = JSON.stringify([audience.key, unmet.map(({ policy, reason }) => [policy, reason])]);
    const known = this.#views.get(key);
    if (known !== undefined) {
      this.#move(id, followed, known);
      return;
    }
    const view = new DeviceView(key, audience, unmet);
    this.#index(view, 'add');
    this.#move(id, followed, view);
    view.renew(this.#tenant);
    for (const gateway of view.gateways) this.#byGateway.add(gateway, view);
  }

  /** Returns the policies that apply to a device, but whose rule is not met. */
  #unmetOf(device: WorldDevice, audience: Audience): Unmet[] {
    const { world, policies } = this.#tenant;
    const met = new Set(audience.matches.filter((match) => match.met).map(({ policy }) => policy));
    const inputs = inputsOf(world, device);
    return policies.matched(device).flatMap((id) => {
      const policy = policies.get(id);
      const rule = policy === undefined || met.has(id) ? null : conditionOf(world, policy);
      return rule === null ? [] : [{ policy: id, reason: whyUnmet(rule, inputs) }];
    });
  }

  #move(id: string, device: Followed, to: DeviceView | null): void {
    const from = device.view;
    if (from === to) return;
    from?.members.delete(id);
    to?.members.add(id);
    device.view = to;
    if (from !== null && from.members.size === 0) {
      for (const gateway of from.gateways) this.#byGateway.delete(gateway, from);
      this.#index(from, 'delete');
    }
  }

  #index(view: DeviceView, action: 'add' | 'delete'): void {
    const { key, audience, unmet } = view;
    for (const { policy } of [...audience.matches, ...unmet]) this.#byPolicy[action](policy, view);
    const alike = this.#byAudience.get(audience) ?? new Set();
    alike[action](view);
    if (alike.size > 0) this.#byAudience.set(audience, alike);
    else this.#byAudience.delete(audience);
    if (action === 'add') this.#views.set(key, view);
    else this.#views.delete(key);
  }

  #renewView(view: DeviceView): void {
    for (const gateway of view.gateways) this.#byGateway.delete(gateway, view);
    const { routes, peers, mtu } = view;
    view.renew(this.#tenant);
    for (const gateway of view.gateways) this.#byGateway.add(gateway, view);
    const same = routes === view.routes && peers === view.peers && mtu === view.mtu;
    if (!same) for (const id of view.members) this.#pending.add(id);
  }

  #renewPeers(view: DeviceView, gateway: string): void {
    const { peers, mtu } = view;
    view.renewPeers(this.#tenant, gateway);
    if (peers !== view.peers || mtu !== view.mtu) for (const id of view.members) this.#pending.add(id);
  }

  #renewOwn(id: string, followed: Followed): void {
    const { world } = this.#tenant;
    const device = world.devices.get(id);
    const { view } = followed;
    const madeOf = [device, world.settings, view?.mtu];
    if (!madeOf.every((part, i) => followed.madeOf.length > 0 && part === followed.madeOf[i])) {
      const client = device?.native ? [clientItem(device, world.settings, view?.mtu ?? world.settings.mtu)] : [];
      followed.client = followed.client.replacedBy(client);
      followed.madeOf = madeOf;
    }
    const relayed = view !== null && this.#pairs.withAgent(id).size > 0;
    followed.relayed = relayed
      ? (followed.relayed ?? Layer.empty).replacedBy(
          view.peersWith(this.#tenant, (gateway) => this.#pairs.granted(id, gateway)),
        )
      : null;
  }

  #layers(id: string, { view, client, relayed }: Followed): readonly Layer[] {
    if (view === null) return [client];
    return [client, this.#common.of(id), view.routes, relayed ?? view.peers];
  }
}

/** Returns all four layers of a state. */
function padded(layers: readonly Layer[]): readonly Layer[] {
  return [0, 1, 2, 3].map((i) => layers[i] ?? Layer.empty);
}

function clientItem(
  { addresses }: WorldDevice,
  { overlay, localNetwork = 'RESOLVERS', otherNames }: WorldSettings,
  mtu: number,
): ClientItem {
  return {
    kind: 'client',
    key: 'client',
    addresses: addresses.map(hostPrefix),
    overlay: { v4: overlay.v4, v6: overlay.v6 },
    mtu,
    ...(localNetwork !== 'RESOLVERS' && { localNetwork }),
    ...(otherNames === 'FORWARD' && { forwarding: true }),
  };
}
