import type { Timers } from '../channel/timers.ts';
import type { AgentDirectory } from '../channel/types.ts';
import { bySystem } from '../db/contexts.ts';
import { unscoped } from '../db/scoped.ts';
import type { Store } from '../db/store.ts';
import type { KnownAgent } from './known-agents.ts';
import type { Mapping } from './mappings.ts';

/** Parts of the controller that the announcer uses. */
export interface AnnouncerDeps {
  readonly store: Store;
  readonly directory: Pick<AgentDirectory, 'observed'>;
  /** Called before the row is written: a device's endpoint changes without a commit, as its source address does. */
  readonly judged: (tenant: string, agent: string, mapping: Mapping) => void;
  readonly timers: Timers;
  readonly log: { readonly warn: (facts: object, text: string) => void };
}

type Publisher = Pick<KnownAgent, 'role' | 'id' | 'tenant'>;

/**
 * Least and largest time between two writes for one agent, milliseconds. The second applies to an agent that keeps
 * moving.
 */
const leastPauseMs = 1_000;
const mostPauseMs = 32_000;

/**
 * Writes mappings to the database: a gateway's discovered endpoint, a device's mapped endpoint. The first change is
 * written at once. Of quick further changes, the last is written after a pause that doubles while they continue,
 * because each is work for every agent with a tunnel to this one.
 */
export class Announcer {
  readonly #deps: AnnouncerDeps;
  /** Next writes of agents that were written a moment ago or are being written. */
  readonly #busy = new Map<string, { next: Mapping | null; cancel: () => void }>();
  #stopped = false;

  constructor(deps: AnnouncerDeps) {
    this.#deps = deps;
  }

  /**
   * `undecided`: the beacon does not hear the agent. The last endpoint of a gateway stays until its channel reports
   * another one. A device's endpoint is removed.
   */
  tell(agent: Publisher, mapping: Mapping): void {
    const busy = this.#busy.get(agent.id);
    if (busy !== undefined) busy.next = mapping;
    else if (!this.#stopped) this.#begin(agent, mapping, leastPauseMs);
  }

  stop(): void {
    this.#stopped = true;
    for (const { cancel } of this.#busy.values()) cancel();
    this.#busy.clear();
  }

  #begin(agent: Publisher, mapping: Mapping, pauseMs: number): void {
    const busy = { next: null as Mapping | null, cancel: () => {} };
    this.#busy.set(agent.id, busy);
    this.#write(agent, mapping)
      .catch((error) => {
        this.#deps.log.warn({ err: error, agent: agent.id }, 'could not write an endpoint that the beacon saw');
        busy.next ??= mapping;
      })
      .finally(() => {
        if (this.#stopped) return;
        busy.cancel = this.#deps.timers.after(pauseMs, () => {
          this.#busy.delete(agent.id);
          if (busy.next !== null) this.#begin(agent, busy.next, Math.min(mostPauseMs, 2 * pauseMs));
        });
      });
  }

  async #write({ role, id, tenant }: Publisher, mapping: Mapping): Promise<void> {
    const endpoint = mapping.kind === 'independent' ? mapping.endpoint : null;
    this.#deps.judged(tenant, id, mapping);
    if (role === 'device') {
      await writeDevice(this.#deps.store, tenant, id, endpoint);
      return;
    }
    const facts =
      mapping.kind === 'undecided'
        ? { mappingIndependent: null }
        : { discoveredEndpoint: endpoint, mappingIndependent: mapping.kind === 'independent' };
    await this.#deps.directory.observed(id, facts);
  }
}

/** Removes what an earlier beacon has seen, when there is no beacon. To be called before any other read. */
export async function forgetMappings(store: Store): Promise<void> {
  const db = unscoped(store.db, 'without a beacon, what it saw is void in every tenant');
  await db
    .updateTable('gateways')
    .set({ mapping_independent: null })
    .where('mapping_independent', 'is not', null)
    .execute();
  await db.updateTable('devices').set({ mapped_endpoint: null }).where('mapped_endpoint', 'is not', null).execute();
}

/** Returns agents with an endpoint from a beacon in their row. */
export async function publishedMappings(store: Store): Promise<Publisher[]> {
  const db = unscoped(store.db, 'the beacon sees the agents of all tenants');
  const gateways = await db
    .selectFrom('gateways')
    .select(['id', 'tenant_id as tenant'])
    .where('mapping_independent', 'is not', null)
    .execute();
  const devices = await db
    .selectFrom('devices')
    .select(['id', 'tenant_id as tenant'])
    .where('mapped_endpoint', 'is not', null)
    .execute();
  return [
    ...gateways.map((row): Publisher => ({ ...row, role: 'gateway' })),
    ...devices.map((row): Publisher => ({ ...row, role: 'device' })),
  ];
}

/**
 * This is a fact and not a change by an administrator, and too frequent for the audit trail. Version and revision stay.
 */
async function writeDevice(store: Store, tenant: string, id: string, endpoint: string | null): Promise<void> {
  await store.write(bySystem(tenant, 'observed'), async (tx) => {
    await tx.scoped.updateTable('devices').set({ mapped_endpoint: endpoint }).where('id', '=', id).execute();
  });
}
