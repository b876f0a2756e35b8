import type { AgentRole } from '@sallyport/contract/channel';
import { LogFollower } from '../db/log-follower.ts';
import { unscoped } from '../db/scoped.ts';
import type { LoggedChange, Store } from '../db/store.ts';

/** The agent that a WireGuard key belongs to. */
export interface KnownAgent {
  readonly role: AgentRole;
  readonly id: string;
  readonly tenant: string;
  readonly publicKey: string;
}

/** An agent as its row says, and the revision of its tenant in the same read. */
interface Found {
  readonly agent: KnownAgent;
  readonly revision: number;
}

/** Known keys kept in memory, and unknown ones: at most this many each. */
const rememberedKeys = 100_000;

/**
 * Public keys that the beacon answers: those of gateways and of active native devices. A key that was looked up is kept
 * until the change log names its agent. A deleted agent is unknown from its commit on. Logs of tenants without a known agent
 * are not read: their commits only end what is remembered of strangers.
 */
export class KnownAgents {
  readonly #store: Store;
  readonly #gone: (publicKey: string, agent: string) => void;
  readonly #log: { readonly warn: (facts: object, text: string) => void };
  readonly #byKey = new Map<string, KnownAgent>();
  readonly #keyOf = new Map<string, string>();
  readonly #byTenant = new Map<string, Set<KnownAgent>>();
  readonly #strangers = new Set<string>();
  readonly #follower: LogFollower;
  /** Grows with every change after which a stranger may be an agent. */
  #generation = 0;

  /** `gone` is called when a key that was found no longer belongs to that agent. */
  constructor(
    store: Store,
    log: { readonly warn: (facts: object, text: string) => void },
    gone: (publicKey: string, agent: string) => void,
  ) {
    this.#store = store;
    this.#log = log;
    this.#gone = gone;
    this.#follower = new LogFollower(store, {
      changed: (tenant, changes) => this.#changed(tenant, changes),
      failed: (error) => this.#lookUpFailed(error),
    });
  }

  /** Returns an agent, or null for a stranger, without a query. Undefined: ask `find`. */
  remembered(publicKey: string): KnownAgent | null | undefined {
    return this.#byKey.get(publicKey) ?? (this.#strangers.has(publicKey) ? null : undefined);
  }

  async find(publicKey: string): Promise<KnownAgent | null> {
    const known = this.remembered(publicKey);
    if (known !== undefined) return known;
    for (let attempt = 0; attempt < 3; attempt++) {
      const generation = this.#generation;
      const found = await this.#read(publicKey);
      if (found === null) {
        if (generation === this.#generation) return this.#rememberStranger(publicKey);
      } else if (this.#follower.startAt(found.agent.tenant, found.revision)) return this.#remember(found.agent);
    }
    // Commits came during each read. The agent knocks again.
    return null;
  }

  async #read(publicKey: string): Promise<Found | null> {
    const db = unscoped(this.#store.db, 'a WireGuard handshake names a key only; the tenant comes from the row');
    const gateways = db
      .selectFrom('gateways')
      .innerJoin('tenants', 'tenants.id', 'gateways.tenant_id')
      .select(['gateways.id as id', 'tenant_id', 'gateways.created_at as created_at', 'revision'])
      .select(({ val }) => val<AgentRole>('gateway').as('role'))
      .where('wireguard_key', '=', publicKey);
    const devices = db
      .selectFrom('devices')
      .innerJoin('tenants', 'tenants.id', 'devices.tenant_id')
      .select(['devices.id as id', 'tenant_id', 'devices.created_at as created_at', 'revision'])
      .select(({ val }) => val<AgentRole>('device').as('role'))
      .where('public_key', '=', publicKey)
      .where('identity_key', 'is not', null)
      .where('active', '=', 1);
    // A key that was copied may stand in two tenants. It belongs to the agent that was created first.
    const row = await gateways.unionAll(devices).orderBy('created_at').orderBy('id').limit(1).executeTakeFirst();
    if (row === undefined) return null;
    return { agent: { role: row.role, id: row.id, tenant: row.tenant_id, publicKey }, revision: row.revision };
  }

  #rememberStranger(publicKey: string): null {
    this.#strangers.add(publicKey);
    const [oldest] = this.#strangers;
    if (this.#strangers.size > rememberedKeys && oldest !== undefined) this.#strangers.delete(oldest);
    return null;
  }

  #remember(agent: KnownAgent): KnownAgent {
    const { id, tenant, publicKey } = agent;
    const owner = this.#byKey.get(publicKey);
    // Two look-ups ran at the same time.
    if (owner?.id === id) return owner;
    this.#byTenant.set(tenant, (this.#byTenant.get(tenant) ?? new Set()).add(agent));
    // The key had another owner before, or the agent another key, and the change is not followed yet.
    const before = this.#byKey.get(this.#keyOf.get(id) ?? '');
    for (const outdated of [owner, before]) if (outdated !== undefined) this.#drop(outdated);
    this.#byKey.set(publicKey, agent);
    this.#keyOf.set(id, publicKey);
    const [oldest] = this.#byKey.values();
    if (this.#byKey.size > rememberedKeys && oldest !== undefined) this.#drop(oldest);
    return agent;
  }

  #changed(tenant: string, changes: readonly LoggedChange[] | null): void {
    const agents = changes?.filter(({ kind }) => kind === 'gateway' || kind === 'device') ?? null;
    if (agents?.length === 0) return;
    this.#generation++;
    this.#strangers.clear();
    if (agents === null) {
      for (const agent of this.#byTenant.get(tenant) ?? []) this.#checkLater(agent);
      return;
    }
    for (const { id, op } of agents) {
      const agent = this.#byKey.get(this.#keyOf.get(id) ?? '');
      if (agent === undefined) continue;
      if (op === 'delete') this.#drop(agent);
      else this.#checkLater(agent);
    }
  }

  #checkLater(agent: KnownAgent): void {
    this.#check(agent).catch((error) => this.#lookUpFailed(error));
  }

  /** Drops a changed agent if its key is not its own any more, or the agent is inactive. */
  async #check(agent: KnownAgent): Promise<void> {
    const now = await this.#read(agent.publicKey);
    if (this.#byKey.get(agent.publicKey) === agent && now?.agent.id !== agent.id) this.#drop(agent);
  }

  #lookUpFailed(err: unknown): void {
    this.#log.warn({ err }, 'could not look up a key of the beacon');
  }

  #drop(agent: KnownAgent): void {
    this.#byKey.delete(agent.publicKey);
    if (this.#keyOf.get(agent.id) === agent.publicKey) this.#keyOf.delete(agent.id);
    const others = this.#byTenant.get(agent.tenant);
    others?.delete(agent);
    if (others?.size === 0) {
      this.#byTenant.delete(agent.tenant);
      this.#follower.stop(agent.tenant);
    }
    this.#gone(agent.publicKey, agent.id);
  }
}
