import { bySystem } from '../../db/contexts.ts';
import type { StillRunner } from '../../db/jobs.ts';
import { scoped, unscoped } from '../../db/scoped.ts';
import type { Store, Tx } from '../../db/store.ts';
import type { SecretBox } from '../../secrets/box.ts';
import { laterRefusalOf } from '../providers/admission.ts';
import type { ProviderClients } from '../providers/clients.ts';
import { type Confirmed, confirmAgain } from '../providers/dialogue.ts';
import { ProviderFailure } from '../providers/failure.ts';
import { endGrants, findGrant, type GrantRow, keepGrant, refreshTokenOf } from '../providers/grants.ts';
import { followGroups } from '../providers/memberships.ts';
import { type ProviderRow, providerAnywhere } from '../providers/queries.ts';
import { findUser } from '../users/queries.ts';
import { dataOf, findMethod, type MethodRow } from './methods.ts';
import { noteClaims } from './provider-identity.ts';

/** Sign-ins that one run looks at, and how many providers are asked at once. */
const atOnce = { run: 200, calls: 8 } as const;
/** No further check begins this long after the run did, milliseconds. What is left is due in the next run. */
const runMs = 20_000;
/** When a provider that did not answer is asked again, milliseconds. */
const retryMs = 2 * 60_000;

interface CheckDeps {
  readonly store: Store;
  readonly box: SecretBox;
  readonly providers: ProviderClients;
}

/**
 * Asks providers with refresh tokens whether sign-ins still hold. A no ends the sessions. A provider that does not answer is
 * asked again; its sessions end when it has confirmed nothing for eight hours.
 */
export class ProviderChecks {
  readonly #deps: CheckDeps;
  #running: Promise<void> | null = null;

  constructor(deps: CheckDeps) {
    this.#deps = deps;
  }

  /**
   * Asks about all sign-ins that are due. While a run is under way, a call joins it. `still`: rejects when another replica may
   * have begun to ask. A provider may end a sign-in whose refresh token comes twice.
   */
  run(still: StillRunner): Promise<void> {
    this.#running ??= this.#run(still).finally(() => {
      this.#running = null;
    });
    return this.#running;
  }

  async #run(still: StillRunner): Promise<void> {
    const { store } = this.#deps;
    const due = await unscoped(store.db, 'sign-ins of all tenants are due by time')
      .selectFrom('provider_grants')
      .selectAll()
      .where('next_check_at', '<=', store.now())
      .orderBy('next_check_at')
      .limit(atOnce.run)
      .execute();
    const silent = new Set<string>();
    const started = performance.now();
    const next = async (): Promise<void> => {
      for (let grant = due.shift(); grant !== undefined; grant = due.shift()) {
        if (performance.now() - started > runMs) return;
        if (silent.has(grant.provider_id)) continue;
        await still();
        if ((await this.#check(grant)) === 'silent') silent.add(grant.provider_id);
      }
    };
    await Promise.all(Array.from({ length: atOnce.calls }, next));
    for (const provider of silent) await this.#postpone(provider);
  }

  /** Returns `silent` when the provider did not answer. */
  async #check(grant: GrantRow): Promise<'done' | 'silent'> {
    const { store, box, providers } = this.#deps;
    const row = await providerAnywhere(store, grant.provider_id);
    const method = await findMethod(scoped(store.db, grant.tenant_id), grant.method_id);
    const token = refreshTokenOf(box, grant);
    if (row === undefined || method === undefined || token === null) return 'done';
    let confirmed: Confirmed;
    try {
      confirmed = await confirmAgain(providers, row, token, dataOf(method, 'PROVIDER').subject);
    } catch (error) {
      if (!(error instanceof ProviderFailure)) throw error;
      if (error.kind !== 'ended') return 'silent';
      await this.#end(grant, method, row, error.message);
      return 'done';
    }
    const refusal = laterRefusalOf(row, confirmed.person);
    if (refusal === null) await this.#keep(grant, method, row, confirmed);
    else await this.#end(grant, method, row, refusal);
    return 'done';
  }

  async #keep({ id }: GrantRow, { id: known }: MethodRow, row: ProviderRow, confirmed: Confirmed): Promise<void> {
    await this.#write(row, async (tx) => {
      const method = await findMethod(tx.scoped, known);
      // The person may have signed out meanwhile.
      if (method === undefined || (await findGrant(tx.scoped, id)) === undefined) return;
      await keepGrant(tx, this.#deps.box, id, confirmed.refreshToken);
      await noteClaims(tx, method, confirmed.person);
      await followGroups(tx, row, method.user_id, confirmed.person.groups);
    });
  }

  async #end({ id }: GrantRow, method: MethodRow, row: ProviderRow, reason: string): Promise<void> {
    await this.#write(row, async (tx) => {
      await endGrants(tx, [id]);
      const user = await findUser(tx.scoped, method.user_id);
      if (user === undefined) return;
      const after = { name: user.email, sessions: 'ended', provider: row.name, reason };
      tx.changed({ kind: 'user', id: user.id, op: 'update', name: user.email, before: null, after, auditOnly: true });
    });
  }

  async #postpone(provider: string): Promise<void> {
    const { store } = this.#deps;
    const now = store.now();
    await unscoped(store.db, 'sign-ins of all tenants are due by time')
      .updateTable('provider_grants')
      .set({ next_check_at: now + retryMs })
      .where('provider_id', '=', provider)
      .where('next_check_at', '<=', now)
      .execute();
  }

  #write(row: ProviderRow, work: (tx: Tx) => Promise<void>): Promise<void> {
    return this.#deps.store.write(bySystem(row.tenant_id, 'check sign-in at provider'), work);
  }
}
