import type { Actor, Store } from '../db/store.ts';
import { ApiError } from '../errors.ts';
import { listTenants } from '../objects/tenants/queries.ts';

/** Lets one work run at a time. A second one is refused. */
export class Alone {
  readonly #what: string;
  #busy = false;

  constructor(what: string) {
    this.#what = what;
  }

  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#busy) throw refused(`another command works on the ${this.#what}: wait for it to end`);
    this.#busy = true;
    try {
      return await work();
    } finally {
      this.#busy = false;
    }
  }
}

/** Returns the refusal of a command at the operator's socket. */
export const refused = (detail: string): ApiError => new ApiError('unavailable', detail);

/** Adds an event to the trail of every tenant, because a key of the controller concerns them all. */
export async function auditEverywhere(store: Store, actor: Actor, action: string, after: object): Promise<void> {
  for (const { id, name } of await listTenants(store)) {
    const context = { tenant: id, actor, action, sourceIp: null, requestId: null };
    await store.write(context, async (tx) => {
      tx.changed({ kind: 'tenant', id, op: 'update', name, before: null, after, auditOnly: true });
    });
  }
}
