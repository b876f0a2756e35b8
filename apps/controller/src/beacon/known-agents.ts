import type { AgentRole } from '@sallyport/contract/channel';
import { unscoped } from '../db/scoped.ts';
import type { Change, Store } from '../db/store.ts';

/** Whose WireGuard key it is. */
export interface KnownAgent {
  readonly role: AgentRole;
  readonly id: string;
  readonly tenant: string;
  readonly publicKey: string;
}

/** Keys kept in memory, known ones and unknown ones each. */
const rememberedKeys = 100_000;

/**
 * Public keys that the beacon answers: those of gateways, and of native devices that are active. What was looked up is
 * kept until a commit touches it; a deleted agent is unknown from its commit on.
 */
export class KnownAgents {
  readonly #store: Store;
  readonly #gone: (publicKey: string, agent: string) => void;
  readonly #log: { readonly warn: (facts: object, text: string) => void };
  readonly #byKey = new Map<string, KnownAgent>();
  readonly #keyOf = new Map<string, string>();
  readonly #strangers = new Set<string>();
  /** Counts commits that touch agents: what was read before one of them is not kept. */
  #generation = 0;

  /** `gone` is called when a key that was found ceases to be that agent's. */
  constructor(
    store: Store,
    log: { readonly warn: (facts: object, text: string) => void },
    gone: (publicKey: string, agent: string) => void,
  ) {
    this.#store = store;
    this.#log = log;
    this.#gone = gone;
    store.onCommit(({ changes }) => this.#committed(changes));
  }

  /** At once, when that is known: an agent, or null for a stranger. Undefined: ask `find`. */
  remembered(publicKey: string): KnownAgent | null | undefined {
    return this.#byKey.get(publicKey) ?? (this.#strangers.has(publicKey) ? null : undefined);
  }

  async find(publicKey: string): Promise<KnownAgent | null> {
    const known = this.remembered(publicKey);
    if (known !== undefined) return known;
    for (let attempt = 0; attempt < 3; attempt++) {
      const generation = this.#generation;
      const found = await this.#read(publicKey);
      if (generation === this.#generation) return this.#remember(publicKey, found);
    }
    // Commits never stop: the agent knocks again.
    return null;
  }

  async #read(publicKey: string): Promise<KnownAgent | null> {
    const db = unscoped(this.#store.db, 'a WireGuard handshake names a key only; the tenant comes from the row');
    const gateways = db
      .selectFrom('gateways')
      .select(({ val }) => ['id', 'tenant_id', 'created_at', val<AgentRole>('gateway').as('role')])
      .where('wireguard_key', '=', publicKey);
    const devices = db
      .selectFrom('devices')
      .select(({ val }) => ['id', 'tenant_id', 'created_at', val<AgentRole>('device').as('role')])
      .where('public_key', '=', publicKey)
      .where('identity_key', 'is not', null)
      .where('active', '=', 1);
    // A key may stand in two tenants, where somebody has copied it. Who had it first is whose it is.
    const row = await gateways.unionAll(devices).orderBy('created_at').orderBy('id').limit(1).executeTakeFirst();
    return row === undefined ? null : { role: row.role, id: row.id, tenant: row.tenant_id, publicKey };
  }

  #remember(publicKey: string, found: KnownAgent | null): KnownAgent | null {
    if (found === null) {
      this.#strangers.add(publicKey);
      const [oldest] = this.#strangers;
      if (this.#strangers.size > rememberedKeys && oldest !== undefined) this.#strangers.delete(oldest);
      return null;
    }
    // Found under another key before the news of that commit: it has the older one no longer.
    const before = this.#byKey.get(this.#keyOf.get(found.id) ?? '');
    if (before !== undefined && before.publicKey !== publicKey) this.#drop(before);
    this.#byKey.set(publicKey, found);
    this.#keyOf.set(found.id, publicKey);
    const [oldest] = this.#byKey.values();
    if (this.#byKey.size > rememberedKeys && oldest !== undefined) this.#drop(oldest);
    return found;
  }

  #committed(changes: readonly Change[]): void {
    const agents = changes.filter(({ kind }) => kind === 'gateway' || kind === 'device');
    if (agents.length === 0) return;
    this.#generation++;
    this.#strangers.clear();
    for (const { id, op } of agents) {
      const agent = this.#byKey.get(this.#keyOf.get(id) ?? '');
      if (agent === undefined) continue;
      if (op === 'delete') this.#drop(agent);
      else this.#check(agent).catch((error) => this.#log.warn({ err: error }, 'could not look up a key of the beacon'));
    }
  }

  /** It was changed: is the key still its own, and does it count? */
  async #check(agent: KnownAgent): Promise<void> {
    const now = await this.#read(agent.publicKey);
    if (this.#byKey.get(agent.publicKey) === agent && now?.id !== agent.id) this.#drop(agent);
  }

  #drop(agent: KnownAgent): void {
    this.#byKey.delete(agent.publicKey);
    if (this.#keyOf.get(agent.id) === agent.publicKey) this.#keyOf.delete(agent.id);
    this.#gone(agent.publicKey, agent.id);
  }
}
