import { chunks } from '../db/chunks.ts';
import { unscoped } from '../db/scoped.ts';
import type { Store } from '../db/store.ts';

/** An agent that has enrolled. */
export interface EnrolledAgent {
  readonly role: 'gateway' | 'device';
  readonly id: string;
  readonly name: string;
  readonly tenant: string;
}

/** Agents that are named at most. */
const named = 200;

const prefix = 'follows-key ';

/** The agents that know the present signing key. They are noted only while an earlier one is kept. */
export class Followers {
  readonly #store: Store;
  readonly #failed: (error: unknown) => void;
  readonly #news = new Set<string>();
  #writing: Promise<void> | null = null;

  constructor(store: Store, failed: (error: unknown) => void) {
    this.#store = store;
    this.#failed = failed;
  }

  /** Notes an agent, soon. One that a failure loses is noted when it connects the next time. */
  note(agent: string): void {
    this.#news.add(agent);
    this.#writing ??= this.#write()
      .catch(this.#failed)
      .finally(() => {
        this.#writing = null;
      });
  }

  /** Resolves when everything that was noted is stored. */
  async settled(): Promise<void> {
    while (this.#writing !== null) await this.#writing;
  }

  async forget(): Promise<void> {
    await this.settled();
    await this.#meta.deleteFrom('meta').where('key', 'like', `${prefix}%`).execute();
  }

  /** Counts enrolled agents, and names those that were not noted. */
  async waiting(): Promise<{ readonly followed: number; readonly waiting: number; readonly agents: EnrolledAgent[] }> {
    await this.settled();
    const rows = await this.#meta.selectFrom('meta').select('key').where('key', 'like', `${prefix}%`).execute();
    const noted = new Set(rows.map(({ key }) => key.slice(prefix.length)));
    const agents = (await this.#enrolled()).filter(({ id }) => !noted.has(id));
    return { followed: noted.size, waiting: agents.length, agents: agents.slice(0, named) };
  }

  async #enrolled(): Promise<EnrolledAgent[]> {
    const db = unscoped(this.#store.db, 'the signing key is the same for the agents of all tenants');
    const of = (table: 'gateways' | 'devices') =>
      db
        .selectFrom(table)
        .select(['id', 'name', 'tenant_id'])
        .where('identity_key', 'is not', null)
        .orderBy('tenant_id')
        .orderBy('id')
        .execute();
    const agents = (role: EnrolledAgent['role'], rows: Awaited<ReturnType<typeof of>>) =>
      rows.map(({ id, name, tenant_id }) => ({ role, id, name, tenant: tenant_id }));
    return [...agents('gateway', await of('gateways')), ...agents('device', await of('devices'))];
  }

  async #write(): Promise<void> {
    while (this.#news.size > 0) {
      const news = [...this.#news];
      this.#news.clear();
      for (const part of chunks(news))
        await this.#meta
          .insertInto('meta')
          .values(part.map((agent) => ({ key: `${prefix}${agent}`, value: '' })))
          .onConflict((conflict) => conflict.doNothing())
          .execute();
    }
  }

  get #meta() {
    return unscoped(this.#store.db, 'which agents know the signing key belongs to the controller');
  }
}
