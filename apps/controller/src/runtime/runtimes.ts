import { accessDifference, evaluateAhead, type World, type WorldSettings } from '@sallyport/policy';
import { systemTimers, type Timers } from '../channel/timers.ts';
import type { DesiredState, DesiredStates, StateChange } from '../channel/types.ts';
import { unscoped } from '../db/scoped.ts';
import type { Change, Store, Tx } from '../db/store.ts';
import { notFound } from '../errors.ts';
import type { AccessPreview } from '../http/operations.ts';
import { doInSlices } from '../slices.ts';
import { accessPreview, pairLimit } from './access-preview.ts';
import { type RuntimeHost, TenantRuntime } from './tenant-runtime.ts';
import { VolatileFacts } from './volatile-facts.ts';
import type { Whereabouts } from './whereabouts.ts';
import { worldChanges } from './world-changes.ts';

type Listener = (change: StateChange) => void;

/** Parts of the controller that runtimes use. */
export interface RuntimesDeps {
  readonly store: Store;
  readonly epoch: string;
  /** Time that one step of compiling took, milliseconds. */
  readonly took: (ms: number) => void;
  readonly log: RuntimeHost['log'];
  readonly whereabouts: Whereabouts;
  /** Returns the controller's beacons, as agents are told. Left out: there are none. */
  readonly beacons?: () => WorldSettings['beacons'];
  readonly timers?: Timers;
}

/**
 * Compiled states of tenants. A tenant is loaded at the first question about it, and dropped when no agent follows it
 * any more.
 */
export class TenantRuntimes implements DesiredStates {
  readonly #deps: RuntimesDeps;
  readonly #facts: VolatileFacts;
  readonly #tenants = new Map<string, { runtime: TenantRuntime; usedAt: number }>();
  readonly #tenantOf = new Map<string, string>();
  readonly #listeners = new Map<string, Set<Listener>>();
  /** Agents with listeners, by tenant, as soon as their tenant is known. */
  readonly #followed = new Map<string, Set<string>>();

  constructor(deps: RuntimesDeps) {
    this.#deps = deps;
    this.#facts = new VolatileFacts(deps.whereabouts, deps.beacons ?? (() => []));
    deps.store.onCommit(({ tenant }) => {
      // Without a follower, the next question brings the tenant up to date first.
      if (this.#followed.get(tenant)?.size) this.#tenants.get(tenant)?.runtime.noticed();
    });
  }

  async current(agent: string, known?: string): Promise<DesiredState | null> {
    const tenant = await this.#findTenant(agent, known);
    return tenant === null ? null : this.#runtime(tenant).current(agent);
  }

  /** Changes of a device are delivered from the first call of `current` for it on. */
  subscribe(agent: string, listener: Listener): () => void {
    const listeners = this.#listeners.get(agent) ?? new Set();
    this.#listeners.set(agent, listeners.add(listener));
    const tenant = this.#tenantOf.get(agent);
    if (tenant !== undefined) this.#follow(tenant, agent);
    return () => {
      listeners.delete(listener);
      if (listeners.size > 0 || this.#listeners.get(agent) !== listeners) return;
      this.#listeners.delete(agent);
      const tenant = this.#tenantOf.get(agent) ?? '';
      this.#followed.get(tenant)?.delete(agent);
      this.#tenants.get(tenant)?.runtime.unfollowed(agent);
    };
  }

  /** Agents with listeners. */
  followedAgents(): Iterable<string> {
    return this.#listeners.keys();
  }

  /** Returns the tenant's world with everything committed before the call. */
  async world(tenant: string): Promise<World> {
    const world = await this.#runtime(tenant).world();
    if (world === null) throw notFound();
    return world;
  }

  /** The source address of a device's tunnel changed. */
  deviceMoved(tenant: string, device: string, source: string): void {
    this.#facts.moved(device, source);
    this.#tenants.get(tenant)?.runtime.factsChanged('device', device);
  }

  /** The endpoint at which every peer can reach a device changed; null: there is no such endpoint. */
  deviceMapped(tenant: string, device: string, endpoint: string | null): void {
    this.#facts.mapped(device, endpoint);
    this.#tenants.get(tenant)?.runtime.factsChanged('device', device);
  }

  /** A gateway reports that it cannot reach these resources, and reaches all others of its own. */
  unreachable(tenant: string, gateway: string, resources: readonly string[]): void {
    this.#facts.unreachable(gateway, resources);
    this.#tenants.get(tenant)?.runtime.factsChanged('gateway', gateway);
  }

  /** Resources that a gateway cannot reach, as it or another process said last. */
  knownUnreachable(gateway: string): readonly string[] {
    return this.#facts.unreachableOf(gateway);
  }

  /** The beacons changed that agents are told about. */
  beaconsChanged(): void {
    for (const { runtime } of this.#tenants.values()) runtime.factsChanged('settings', '');
  }

  /** Length of the tenant's leases, milliseconds. The tenant is loaded, because a state of it was asked for. */
  leaseMs(tenant: string): number {
    return this.#tenants.get(tenant)?.runtime.leaseMs || defaultLeaseMs;
  }

  /**
   * Previews how the changes of a transaction affect access. They are read inside the transaction. The returned
   * function computes the answer, and must be called after it.
   */
  async preview(tx: Tx, changes: readonly Change[]): Promise<() => Promise<AccessPreview>> {
    const values = await worldChanges(tx.scoped, changes);
    return async () => {
      const before = await this.world(tx.tenant);
      const after = before.with(values.map((value) => this.#facts.current(value)));
      for (const world of [before, after]) await doInSlices(evaluateAhead(world, this.#deps.store.now()));
      const difference = accessDifference(before, after, pairLimit, this.#deps.store.now());
      return accessPreview(before, after, difference);
    };
  }

  /** Returns the number of gateways and native devices of the tenants in memory. It looks at each of them. */
  agentCount(): number {
    return this.#tenants.values().reduce((total, { runtime }) => total + runtime.agentCount(), 0);
  }

  /** Tenants whose state is in memory. */
  loaded(): Iterable<string> {
    return this.#tenants.keys();
  }

  /** Drops tenants without a listener that were last asked for before `before`, epoch milliseconds. */
  dropIdle(before: number): void {
    for (const [tenant, { runtime, usedAt }] of this.#tenants) {
      if (usedAt >= before || this.#followed.get(tenant)?.size) continue;
      runtime.stop();
      this.#tenants.delete(tenant);
      this.#followed.delete(tenant);
    }
    for (const [agent, tenant] of this.#tenantOf) if (!this.#tenants.has(tenant)) this.#tenantOf.delete(agent);
  }

  /** Ends all timers. */
  stop(): void {
    for (const { runtime } of this.#tenants.values()) runtime.stop();
  }

  #runtime(tenant: string): TenantRuntime {
    const usedAt = this.#deps.store.now();
    const known = this.#tenants.get(tenant);
    if (known !== undefined) {
      known.usedAt = usedAt;
      return known.runtime;
    }

    const runtime = new TenantRuntime(tenant, {
      ...this.#deps,
      facts: this.#facts,
      timers: this.#deps.timers ?? systemTimers,
      deliver: (agent, change) => {
        for (const listener of this.#listeners.get(agent) ?? []) listener(change);
      },
      isFollowed: (agent) => this.#listeners.has(agent),
      followed: () => this.#followed.get(tenant) ?? [],
    });
    this.#tenants.set(tenant, { runtime, usedAt });
    return runtime;
  }

  async #findTenant(agent: string, given?: string): Promise<string | null> {
    const known = this.#tenantOf.get(agent);
    if (known !== undefined) return known;
    const tenant = given ?? (await this.#readTenant(agent));
    if (tenant === null) return null;
    this.#tenantOf.set(agent, tenant);
    if (this.#listeners.has(agent)) this.#follow(tenant, agent);
    return tenant;
  }

  async #readTenant(agent: string): Promise<string | null> {
    const rows = unscoped(this.#deps.store.db, 'an agent knows its own id only; the tenant comes from the row');
    const gateway = await rows.selectFrom('gateways').select('tenant_id').where('id', '=', agent).executeTakeFirst();
    if (gateway !== undefined) return gateway.tenant_id;
    const device = await rows.selectFrom('devices').select('tenant_id').where('id', '=', agent).executeTakeFirst();
    return device?.tenant_id ?? null;
  }

  #follow(tenant: string, agent: string): void {
    this.#followed.set(tenant, (this.#followed.get(tenant) ?? new Set()).add(agent));
    this.#tenants.get(tenant)?.runtime.noticed();
  }
}

const defaultLeaseMs = 24 * 3600 * 1000;
