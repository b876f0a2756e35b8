import { guarded } from '@sallyport/contract/guard';
import type { Kysely } from 'kysely';
import { ChangeLog } from './change-log.ts';
import { GroupTransaction } from './group.ts';
import { lockHead, writeHistory } from './history.ts';
import type { Database } from './schema.ts';
import { scoped } from './scoped.ts';
import { readAtOnce } from './transactions.ts';
import type { Change, Head, LoggedChange, Notice, Store, Tx, WriteCheck, WriteContext } from './types.ts';
import { type Commit, Writers, type Written } from './writers.ts';

export type * from './types.ts';

/** How long the fate of a commit without an answer is asked for, milliseconds. */
const patienceMs = 10_000;

/**
 * Makes a store. `listenerFailed` gets what commit listeners throw, after the write is done. `patience`: milliseconds for
 * which the fate of a commit without an answer is asked for.
 */
export function createStore(
  db: Kysely<Database> & { readonly trouble?: () => string | null },
  now: () => number,
  check: WriteCheck = { check: async () => {} },
  listenerFailed: (error: unknown) => void = (error) => {
    throw error;
  },
  patience = patienceMs,
): Store {
  const listeners: ((notice: Notice) => void)[] = [];
  const log = new ChangeLog();
  const tell = (notice: Notice) => {
    for (const listener of listeners) guarded(listenerFailed, listener)(notice);
  };
  const generations = new Map<string, number>();
  const written = (tenant: string) => generations.set(tenant, (generations.get(tenant) ?? 0) + 1);
  const committed = ({ tenant, revision, changes }: Commit) => {
    if (revision !== null) log.committed(tenant, { revision, changes });
    const notice = { tenant, revision: revision ?? log.head(tenant) };
    // Consumers of a tenant of which nothing was heard have nothing to look at.
    if (notice.revision > 0) tell(notice);
  };
  const writers = new Writers({ db, now, written, committed, patienceMs: patience });
  return {
    db,
    now,
    log,
    read: (work) => readAtOnce(db, work),
    write: (context, work) =>
      writers.submit(context.tenant, (group) =>
        runWrite(group, context, now(), work, check, log.head(context.tenant)),
      ) as ReturnType<typeof work>,
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
    trouble: () => db.trouble?.() ?? null,
    storageFull: () => writers.storageFull,
    close: async () => {
      await writers.idle();
      await db.destroy();
    },
  };
}

interface OpenTx {
  readonly tx: Tx;
  readonly head: Promise<Head | null>;
  readonly changes: Change[];
  readonly rights: { changed: boolean };
}

/**
 * Opens a write, whose first statement locks the tenant's head. The work need not wait for the lock: what it asks for
 * is sent behind it at once, and the server runs that with the lock.
 */
function openTx(group: GroupTransaction, tenant: string, now: number): OpenTx {
  const changes: Change[] = [];
  const rights = { changed: false };
  const changed = (change: Change) => {
    changes.push(change);
  };
  const rightsChanged = () => {
    rights.changed = true;
  };
  const known = <T>(name: string) => group.known<T>(name);
  const know: Tx['know'] = (name, value, stored) => group.know(name, value, stored);
  const place = { tenant, db: group.db, scoped: scoped(group.db, tenant, group), known, know };
  const head = lockHead(place);
  // A failure reaches those who await the promise. When the work fails first, nobody does.
  head.catch(() => undefined);
  const revision = async () => (await head)?.revision ?? 0;
  const tx: Tx = { ...place, revision, now, changed, rightsChanged };
  return { tx, head, changes, rights };
}

async function runWrite(
  group: GroupTransaction,
  context: WriteContext,
  now: number,
  work: (tx: Tx) => Promise<unknown>,
  check: WriteCheck,
  heard: number,
): Promise<Written> {
  const { tx, head: locked, changes, rights } = openTx(group, context.tenant, now);
  check.ahead?.(tx, heard);
  const value = await work(tx);
  const head = await locked;
  const notice = () => (rights.changed ? { tenant: context.tenant, revision: null, changes: [] } : null);
  if (changes.length === 0) return { value, commit: notice() };
  const after = await writeHistory(tx, context, changes, head);
  await check.check(tx, changes, head, after);
  const followed = changes.filter(({ auditOnly }) => auditOnly !== true).map(logged);
  if (followed.length === 0) return { value, commit: notice() };
  return { value, commit: { tenant: context.tenant, revision: after.revision, changes: followed } };
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
  const trx = await db.startTransaction().setIsolationLevel('read committed').execute();
  try {
    const group = await GroupTransaction.of(trx);
    const { tx, head, changes } = openTx(group, context.tenant, now);
    await work(tx);
    await check.check(tx, changes, await head, null);
    await group.end(true);
    return await look(tx, changes);
  } finally {
    await trx.rollback().execute();
  }
}
