import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { until } from '@sallyport/testkit';
import type { PostgresEvents } from '../../apps/controller/src/db/postgres/open.ts';
import { scoped } from '../../apps/controller/src/db/scoped.ts';
import type { Store, WriteContext } from '../../apps/controller/src/db/store.ts';

/** Who makes rows of a test. */
export const actor = { kind: 'system', id: null, name: 'test' } as const;

/** Everything that a database tells while it comes and goes. */
export class Told implements PostgresEvents {
  readonly losses: unknown[] = [];
  readonly ends: unknown[] = [];
  readonly refusals: string[] = [];
  /** Timelines of servers that took over. */
  readonly moves: (number | null)[] = [];
  returns = 0;
  readonly lost = (error: unknown) => void this.losses.push(error);
  readonly check = () => undefined;
  readonly back = () => {
    this.returns++;
  };
  readonly refused = (error: unknown) => void this.refusals.push(String(error));
  readonly moved: NonNullable<PostgresEvents['moved']> = (_, { timeline }) => void this.moves.push(timeline);
  readonly ended = (error: unknown) => void this.ends.push(error);
}

/** Makes one row, and a revision for it. */
export function make(store: Store, tenant: string, name: string): Promise<number> {
  const context: WriteContext = { tenant, actor, action: 'make', sourceIp: null, requestId: null };
  return store.write(context, async (tx) => {
    const id = randomUUID();
    const values = { id, created_at: tx.now, name, type: 'CUSTOM' as const, network_protocols: '[]' };
    await tx.scoped.insertInto('protocols', values).execute();
    tx.changed({ kind: 'protocol', id, op: 'create', after: { name } });
    return (await tx.revision()) + 1;
  });
}

/** Returns the names of rows that were made with a name that begins with `made`. */
export async function made(store: Store, tenant: string): Promise<string[]> {
  const rows = await scoped(store.db, tenant).selectFrom('protocols').select('name').execute();
  return rows.map(({ name }) => name).filter((name) => name.startsWith('made '));
}

/** Returns every revision of a tenant, ascending. */
export async function revisions(store: Store, tenant: string): Promise<number[]> {
  const rows = await scoped(store.db, tenant).selectFrom('change_log').select('revision').distinct().execute();
  return rows.map(({ revision }) => revision).sort((a, b) => a - b);
}

/** Callers that write without a pause, until they are ended. */
export class Writing {
  readonly #store: Store;
  readonly #tenant: string;
  readonly #acknowledged: string[] = [];
  readonly #refusals: { readonly code?: string }[] = [];
  readonly #callers: Promise<void>[];
  #running = true;

  constructor(store: Store, tenant: string) {
    this.#store = store;
    this.#tenant = tenant;
    this.#callers = Array.from({ length: 4 }, (_, number) => this.#call(number));
  }

  /** Resolves when some more writes were acknowledged. */
  async more(): Promise<void> {
    const before = this.#acknowledged.length;
    await until('writes succeed', () => this.#acknowledged.length > before + 20);
  }

  /** Ends the callers, and checks what they have made: nothing acknowledged is missing, nothing is there twice. */
  async end(): Promise<void> {
    this.#running = false;
    await Promise.all(this.#callers);
    const found = await made(this.#store, this.#tenant);
    const lost = this.#acknowledged.filter((name) => !found.includes(name));
    assert.deepEqual(lost, [], 'each acknowledged write is there');
    assert.equal(new Set(found).size, found.length, 'none is there twice');
    const all = await revisions(this.#store, this.#tenant);
    const expected = all.map((_, at) => at + 1);
    assert.deepEqual(all, expected, 'revisions have no gap');
    const others = this.#refusals.filter(({ code }) => code !== 'unavailable');
    assert.deepEqual(others, [], 'no write fails for another reason');
  }

  async #call(number: number): Promise<void> {
    for (let n = 0; this.#running; n++) {
      const name = `made ${number} ${n}`;
      await make(this.#store, this.#tenant, name).then(
        () => this.#acknowledged.push(name),
        async (error) => {
          this.#refusals.push(error);
          await until('writes to be possible', () => this.#store.trouble() === null);
        },
      );
    }
  }
}
