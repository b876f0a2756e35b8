import type { GatewayStatus, LiveOverview } from '@sallyport/contract';
import { scoped } from '../../db/scoped.ts';
import type { LoggedChange, Store } from '../../db/store.ts';
import type { DeviceQueries } from '../../objects/devices/queries.ts';
import type { GatewayQueries } from '../../objects/gateways/queries.ts';
import { breathe } from '../../slices.ts';
import { type DeviceCountDeps, DeviceCounts } from './device-counts.ts';

/** What the figures of tenants are made from. */
export interface OverviewDeps extends DeviceCountDeps {
  readonly store: Store;
  readonly gateways: Pick<GatewayQueries, 'ids' | 'presences'>;
  readonly devices: Pick<DeviceQueries, 'standing' | 'activity'>;
}

/** A stream that follows the figures. */
export interface OverviewFollower {
  readonly tenant: string;
  overviewTouched(): void;
}

/** Figures of the tenants that somebody follows. They are counted once, and then kept up with events. */
export class LiveOverviews {
  readonly #deps: OverviewDeps;
  readonly #tenants = new Map<string, TenantOverview>();

  constructor(deps: OverviewDeps) {
    this.#deps = deps;
  }

  /** Begins or ends to follow. */
  follow(follower: OverviewFollower, wanted: boolean): void {
    const known = this.#tenants.get(follower.tenant);
    if (wanted) {
      const overview = known ?? new TenantOverview(follower.tenant, this.#deps);
      this.#tenants.set(follower.tenant, overview);
      overview.add(follower);
    } else if (known?.remove(follower) === 0) {
      known.stop();
      this.#tenants.delete(follower.tenant);
    }
  }

  hasNews(follower: OverviewFollower): boolean {
    return this.#tenants.get(follower.tenant)?.hasNews(follower) ?? false;
  }

  /** Returns the present figures, and notes that the follower has them. */
  async take(follower: OverviewFollower): Promise<LiveOverview | null> {
    return (await this.#tenants.get(follower.tenant)?.take(follower)) ?? null;
  }

  /** An agent's status changed, or a device has a newer handshake. */
  seen(id: string): void {
    for (const overview of this.#tenants.values()) overview.seen(id);
  }

  /** Objects of a tenant changed; null: any may have. */
  changed(tenant: string, changes: readonly LoggedChange[] | null): void {
    this.#tenants.get(tenant)?.changed(changes);
  }
}

/** Devices whose rows are read together. */
const rowsPerRead = 2000;

/** What has to be read again. */
interface Stale {
  all: boolean;
  readonly gateways: Set<string>;
  readonly devices: Set<string>;
}

class TenantOverview {
  readonly #tenant: string;
  readonly #deps: OverviewDeps;
  /** Each follower, and whether there is something new for it. */
  readonly #followers = new Map<OverviewFollower, boolean>();
  readonly #gateways = new Map<string, GatewayStatus>();
  readonly #devices: DeviceCounts;
  #stale: Stale = { all: true, ...noIds() };
  #refreshing: Promise<void> | null = null;

  constructor(tenant: string, deps: OverviewDeps) {
    this.#tenant = tenant;
    this.#deps = deps;
    this.#devices = new DeviceCounts(deps, () => this.#touch());
  }

  add(follower: OverviewFollower): void {
    if (!this.#followers.has(follower)) this.#followers.set(follower, true);
  }

  /** Returns how many still follow. */
  remove(follower: OverviewFollower): number {
    this.#followers.delete(follower);
    return this.#followers.size;
  }

  stop(): void {
    this.#devices.stop();
  }

  hasNews(follower: OverviewFollower): boolean {
    return this.#followers.get(follower) ?? false;
  }

  seen(id: string): void {
    if (this.#gateways.has(id)) this.#stale.gateways.add(id);
    else if (!this.#devices.look(id)) return;
    this.#touch();
  }

  changed(changes: readonly LoggedChange[] | null): void {
    const { gateways, devices } = this.#stale;
    const before = gateways.size + devices.size;
    if (changes === null) this.#stale.all = true;
    for (const { kind, id } of changes ?? []) {
      if (kind === 'gateway') gateways.add(id);
      else if (kind === 'device') devices.add(id);
    }
    if (changes === null || gateways.size + devices.size > before) this.#touch();
  }

  async take(follower: OverviewFollower): Promise<LiveOverview> {
    if (this.#followers.has(follower)) this.#followers.set(follower, false);
    // A refresh that is under way may have begun before the latest event; the one after it has not.
    for (let rounds = 0; rounds < 2 && this.#isStale; rounds++) {
      this.#refreshing ??= this.#refresh().finally(() => {
        this.#refreshing = null;
      });
      await this.#refreshing;
    }
    const gateways: Partial<Record<GatewayStatus, number>> = {};
    for (const status of this.#gateways.values()) gateways[status] = (gateways[status] ?? 0) + 1;
    return { gateways, devices: this.#devices.figures };
  }

  get #isStale(): boolean {
    const { all, gateways, devices } = this.#stale;
    return all || gateways.size > 0 || devices.size > 0 || this.#refreshing !== null;
  }

  async #refresh(): Promise<void> {
    const stale = this.#stale;
    this.#stale = { all: false, ...noIds() };
    try {
      const { presences, active } = await this.#read(stale);
      const looked = stale.all ? this.#known() : [...stale.gateways, ...stale.devices];
      for (const id of looked) {
        if (!presences.has(id)) this.#gateways.delete(id);
        if (!active.has(id)) this.#devices.set(id, null);
      }
      for (const [id, { status }] of presences) this.#gateways.set(id, status);
      await this.#setDevices(active);
    } catch (error) {
      this.#stale.all = true;
      throw error;
    }
  }

  #known(): string[] {
    return [...this.#gateways.keys(), ...this.#devices.ids()];
  }

  #read(stale: Stale) {
    const { store, gateways, devices } = this.#deps;
    return store.read(async (open) => {
      const db = scoped(open, this.#tenant);
      const some = stale.all ? await gateways.ids(db) : [...stale.gateways];
      const presences = await gateways.presences(db, some);
      return { presences, active: await devices.activity(db, stale.all ? null : [...stale.devices]) };
    });
  }

  async #setDevices(active: ReadonlyMap<string, boolean>): Promise<void> {
    let count = 0;
    for (const [id, is] of active) {
      this.#devices.set(id, is);
      if (++count % rowsPerRead === 0) await breathe();
    }
  }

  #touch(): void {
    for (const follower of this.#followers.keys()) {
      this.#followers.set(follower, true);
      follower.overviewTouched();
    }
  }
}

const noIds = () => ({ gateways: new Set<string>(), devices: new Set<string>() });
