import { guarded } from '@sallyport/contract/guard';
import { CompiledQuery, type Kysely } from 'kysely';
import { ChangeLog } from './change-log.ts';
import { type Head, lockHead, writeHistory } from './history.ts';
import type { Database } from './schema.ts';
import { scoped } from './scoped.ts';
import { isStorageFull } from './storage.ts';
import type { Change, LoggedChange, Notice, Store, Tx, WriteCheck, WriteContext } from './types.ts';

export type * from './types.ts';

/** Makes a store. `listenerFailed` gets what commit listeners throw, after the write is done. */
export function createStore(
  db: Kysely<Database>,
  now: () => number,
  check: WriteCheck = async () => {},
  listenerFailed: (error: unknown) => void = (error) => {
    throw error;
  },
): Store {
  const listeners: ((notice: Notice) => void)[] = [];
  const log = new ChangeLog();
  const tell = (notice: Notice) => {
    for (const listener of listeners) guarded(listenerFailed, listener)(notice);
  };
  const generations = new Map<string, number>();
  const written = (tenant: string) => generations.set(tenant, (generations.get(tenant) ?? 0) + 1);
  const writer = new GroupWriter(db, written, ({ tenant, revision, changes }) => {
    if (revision !== null) log.committed(tenant, { revision, changes });
    const notice = { tenant, revision: revision ?? log.head(tenant) };
    // Consumers of a tenant of which nothing was heard have nothing to look at.
    if (notice.revision > 0) tell(notice);
  });
  return {
    db,
    now,
    log,
    read: (work) => db.connection().execute(work),
    write: (context, work) =>
      writer.submit(context.tenant, (trx) => runWrite(trx, context, now(), work, check)) as ReturnType<typeof work>,
    dryRun: (context, work, look) => dryRun(db, context, now(), work, check, look),
    onCommit: (listener) => {
      listeners.push(listener);
    },
    generation: (tenant) => generations.get(tenant) ?? 0,
    noticed: (notice) => {
      written(notice.tenant);
      log.heard(notice);
      tell(notice);
    },
    storageFull: () => writer.storageFull,
    close: async () => {
      await writer.idle();
      await db.destroy();
    },
  };
}

/** Most writes that share one commit. A larger group only makes its first write wait longer. */
const groupLimit = 64;

interface Commit {
  readonly tenant: string;
  /** Null: a notice without a new revision. */
  readonly revision: number | null;
  readonly changes: LoggedChange[];
}

interface Written {
  readonly value: unknown;
  readonly commit: Commit | null;
}

interface Job {
  readonly tenant: string;
  readonly run: (trx: Kysely<Database>) => Promise<Written>;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

class GroupWriter {
  readonly #db: Kysely<Database>;
  readonly #written: (tenant: string) => void;
  readonly #committed: (commit: Commit) => void;
  readonly #queue: Job[] = [];
  #draining: Promise<void> | null = null;
  #storageFull = false;

  constructor(db: Kysely<Database>, written: (tenant: string) => void, committed: (commit: Commit) => void) {
    this.#db = db;
    this.#written = written;
    this.#committed = committed;
  }

  submit(tenant: string, run: Job['run']): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#queue.push({ tenant, run, resolve, reject });
      this.#draining ??= this.#drain();
    });
  }

  get storageFull(): boolean {
    return this.#storageFull;
  }

  async idle(): Promise<void> {
    while (this.#draining !== null) await this.#draining;
  }

  async #drain(): Promise<void> {
    while (this.#queue.length > 0) {
      // Requests that already wait in the sockets join before the transaction begins.
      await new Promise((resolve) => setImmediate(resolve));
      await this.#commit(this.#queue.splice(0, groupLimit));
    }
    this.#draining = null;
  }

  async #commit(group: readonly Job[]): Promise<void> {
    const done: (() => void)[] = [];
    const failures: unknown[] = [];
    try {
      await this.#db.transaction().execute(async (trx) => {
        for (const job of group) done.push(await this.#attempt(trx, job, failures));
      });
    } catch (error) {
      this.#storageFull = isStorageFull(error);
      for (const job of group) job.reject(error);
      return;
    }
    this.#storageFull = failures.some(isStorageFull);
    for (const settle of done) settle();
  }

  /** Runs one job in a savepoint. Returns a function to call once the group is on disk. */
  async #attempt(trx: Kysely<Database>, job: Job, failures: unknown[]): Promise<() => void> {
    await savepoint(trx, 'SAVEPOINT job');
    try {
      const { value, commit } = await job.run(trx);
      await savepoint(trx, 'RELEASE job');
      return () => {
        this.#written(job.tenant);
        if (commit !== null) this.#committed(commit);
        job.resolve(value);
      };
    } catch (error) {
      try {
        await savepoint(trx, 'ROLLBACK TO job');
        await savepoint(trx, 'RELEASE job');
      } catch {
        // The whole transaction is rolled back, so the other jobs fail for the same reason.
        throw error;
      }
      failures.push(error);
      return () => job.reject(error);
    }
  }
}

const savepoint = (trx: Kysely<Database>, sql: string) => trx.executeQuery(CompiledQuery.raw(sql));

interface OpenTx {
  readonly tx: Tx;
  readonly head: Head | null;
  readonly changes: Change[];
  readonly rights: { changed: boolean };
}

/** Locks the tenant's head and opens a write on it. */
async function openTx(db: Kysely<Database>, tenant: string, now: number): Promise<OpenTx> {
  const changes: Change[] = [];
  const rights = { changed: false };
  const changed = (change: Change) => {
    changes.push(change);
  };
  const rightsChanged = () => {
    rights.changed = true;
  };
  const place = { tenant, db, scoped: scoped(db, tenant) };
  const head = await lockHead(place);
  const tx: Tx = { ...place, revision: head?.revision ?? 0, now, changed, rightsChanged };
  return { tx, head, changes, rights };
}

async function runWrite(
  db: Kysely<Database>,
  context: WriteContext,
  now: number,
  work: (tx: Tx) => Promise<unknown>,
  check: WriteCheck,
): Promise<Written> {
  const { tx, head, changes, rights } = await openTx(db, context.tenant, now);
  const value = await work(tx);
  const notice = () => (rights.changed ? { tenant: context.tenant, revision: null, changes: [] } : null);
  if (changes.length === 0) return { value, commit: notice() };
  await check(tx, changes);
  const revision = await writeHistory(tx, context, changes, head);
  if (revision === null) return { value, commit: notice() };
  const followed = changes.filter(({ auditOnly }) => auditOnly !== true).map(logged);
  return { value, commit: { tenant: context.tenant, revision, changes: followed } };
}

const logged = ({ kind, id, op }: Change): LoggedChange => ({ kind, id, op });

async function dryRun<T>(
  db: Kysely<Database>,
  context: WriteContext,
  now: number,
  work: (tx: Tx) => Promise<unknown>,
  check: WriteCheck,
  look: (tx: Tx, changes: readonly Change[]) => Promise<T>,
): Promise<T> {
  const trx = await db.startTransaction().execute();
  try {
    const { tx, changes } = await openTx(trx, context.tenant, now);
    await work(tx);
    await check(tx, changes);
    return await look(tx, changes);
  } finally {
    await trx.rollback().execute();
  }
}
