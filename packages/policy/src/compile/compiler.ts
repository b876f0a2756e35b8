import type { StateDelta, StateItem } from '@sallyport/contract/channel';
import { earliest } from '../moments.ts';
import type { AccessQuery, Verdict, WorldChange, WorldSettings } from '../types.ts';
import { MutableWorld, World } from '../world.ts';
import { deviceSource, siteSource } from './audience/member-sources.ts';
import { Members, type Moment } from './audience/members.ts';
import { Decider } from './decider.ts';
import { DeviceStates } from './device/device-states.ts';
import { Gateways, type RelayOf } from './gateway/gateways.ts';
import { EntryGateways } from './indexes/entry-gateways.ts';
import type { GatewayChange } from './indexes/items.ts';
import { PolicyIndex } from './indexes/policy-index.ts';
import { ResourceIndex } from './indexes/resource-index.ts';
import { SiteIndex } from './indexes/sites.ts';
import { assertReadable, Intake } from './intake/intake.ts';
import { Links } from './routing/links.ts';
import { Pairs } from './routing/pairs.ts';
import { Tenant } from './routing/tenant.ts';
import { TransitFinder } from './routing/transit-finder.ts';

/**
 * The desired states of all gateways of a tenant, and of the native devices that are followed. It keeps them up with
 * changes of the tenant's world and with the time. A state depends on the world and the time alone: every sequence of
 * changes that leads to the same world at the same moment leads to the same items and hashes.
 */
export class TenantCompiler {
  readonly #world: MutableWorld;
  readonly #intake: Intake;
  readonly #decider: Decider;
  readonly #devices: Members<'device'>;
  readonly #sites: Members<'site'>;
  readonly #gateways: Gateways;
  readonly #transits: TransitFinder;
  readonly #links: Links;
  readonly #pairs: Pairs;
  readonly #clients: DeviceStates;
  #now = Number.NEGATIVE_INFINITY;

  /** Starts with an empty world. Throws RangeError when an address of the settings is malformed. */
  constructor(settings: WorldSettings) {
    assertReadable({ kind: 'settings', value: settings });
    const world = MutableWorld.copyOf(World.empty(settings));
    const policies = new PolicyIndex(world);
    const [resources, sites, entryGateways] = [new ResourceIndex(), new SiteIndex(), new EntryGateways(world)];
    this.#world = world;
    this.#decider = new Decider(world, policies, resources);
    this.#devices = new Members('device', deviceSource(world, policies));
    this.#sites = new Members('site', siteSource(world, policies, sites));
    this.#gateways = new Gateways(world, policies, resources, sites, entryGateways);
    const tenant = new Tenant(world, policies, resources, this.#gateways.states);
    const pairs = new Pairs(tenant);
    const indexes = { policies, resources, sites, entryGateways, pairs };
    this.#intake = new Intake(world, indexes, (policy) => this.#gateways.decidingAt(policy));
    this.#links = new Links(tenant, pairs);
    this.#transits = new TransitFinder(tenant, this.#links, sites);
    this.#pairs = pairs;
    this.#clients = new DeviceStates(tenant, pairs, (id) => this.#devices.audiences.of(id));
  }

  /** The world after the changes so far. */
  get world(): World {
    return this.#world;
  }

  /** Starts to keep up the state of a native device. The caller who follows a device also unfollows it. */
  follow(device: string): void {
    this.#clients.follow(device);
  }

  /** Drops the state of a followed device. */
  unfollow(device: string): void {
    this.#clients.unfollow(device);
  }

  /** Returns the items of a gateway, or those of a followed device when it was last renewed; none when it is unknown. */
  items(agent: string): StateItem[] {
    return this.#gateways.states.get(agent)?.store.all() ?? this.#clients.items(agent);
  }

  /** Returns the hash of the same items, as `StateHash` computes it. */
  hash(agent: string): string {
    return this.#gateways.states.get(agent)?.store.hash ?? this.#clients.hash(agent);
  }

  /** Decides as `evaluate` does on `world`, within microseconds and without the steps. */
  decide(query: AccessQuery): Verdict {
    return this.#decider.decide(query);
  }

  /**
   * Returns the epoch milliseconds at which `advance` is due, or null. Then a rule opens something or has to be looked
   * at again. No call is needed for access to end: items expire on their own.
   */
  nextDeadline(): number | null {
    return earliest(this.#devices.nextDeadline(), this.#sites.nextDeadline());
  }

  /** Follows the time. Returns what changed for each gateway and followed device whose state changed. */
  advance(now: number): ReadonlyMap<string, StateDelta> {
    return this.apply([], now);
  }

  /**
   * Applies changes together, and follows the time. Returns what changed for each gateway and followed device whose
   * state changed: everything for a new one, nothing for a removed one. Throws RangeError, and applies none, when an
   * address is malformed.
   */
  apply(changes: readonly WorldChange[], now: number): ReadonlyMap<string, StateDelta> {
    const ofGateways = this.applyToGateways(changes, now);
    return new Map([...ofGateways.entries().map(([id, { delta }]) => [id, delta] as const), ...this.renewDevices()]);
  }

  /** Applies changes as `apply` does, but leaves the states of devices for `renewDevices`. */
  applyToGateways(changes: readonly WorldChange[], now: number): ReadonlyMap<string, GatewayChange> {
    const steps = this.applyInSteps(changes, now);
    for (;;) {
      const step = steps.next();
      if (step.done) return step.value;
    }
  }

  /**
   * Applies changes as `applyToGateways` does. The caller may pause between two steps, and must take all of them. Until
   * the last one the caller asks for no state and applies nothing else. `world` and `decide` follow with the first step.
   * Each phase takes the results of the phases that it depends on; `docs/compiler.md` shows them.
   */
  *applyInSteps(
    changes: readonly WorldChange[],
    now: number,
  ): Generator<null, ReadonlyMap<string, GatewayChange>, undefined> {
    const affected = this.#intake.take(changes);
    const { destinations, routes } = affected;
    this.#decider.forget({ destinations, sources: routes.universal.size > 0 ? 'all' : affected.devices.members });
    const moment = this.#momentOf(now, affected.timeZone);

    const rebuilt = this.#gateways.rebuild(affected.gateways, routes.universal);
    const devices = yield* this.#devices.regroup(affected.devices, moment);
    const sites = yield* this.#sites.regroup(affected.sites, moment);
    const placed = yield* this.#gateways.place(rebuilt, devices, sites);
    const shown = yield* this.#gateways.show(placed, devices, sites, affected.relays.items, this.#relayOf);

    const transits = this.#transits.find(routes, placed, devices, sites);
    const linked = this.#links.renew(transits, rebuilt, routes);
    const relayed = this.#pairs.renew(affected.relays, shown, linked);

    const touched = [...rebuilt.touched, ...shown.showing, ...linked.linked, ...relayed.relaying];
    const ofGateways = yield* this.#gateways.settle(new Set(touched));
    yield* this.#clients.mark(routes, rebuilt, devices, placed, relayed);
    return ofGateways;
  }

  /**
   * Brings the states of devices up to date with the present world, one at a time, and returns what changed for each. The
   * caller may pause between two devices, and apply more changes meanwhile: then devices come once, with all changes.
   */
  renewDevices(): Iterable<readonly [string, StateDelta]> {
    return this.#clients.renew();
  }

  /** Brings the state of one device up to date. Returns what changed, or null. */
  renewDevice(device: string): StateDelta | null {
    return this.#clients.renewOne(device);
  }

  #momentOf(now: number, timeZoneChanged: boolean): Moment {
    const reset = timeZoneChanged || now < this.#now;
    this.#now = now;
    return { now, zone: this.#world.settings.timeZone, reset };
  }

  readonly #relayOf: RelayOf = (device, gateway) => this.#pairs.between(device, gateway)[0]?.endpoint ?? null;
}
