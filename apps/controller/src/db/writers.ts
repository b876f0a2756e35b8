import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Kysely, Transaction } from 'kysely';
import { leaveMark, takeMark } from './commit-marks.ts';
import { hasRowLocks } from './dialect.ts';
import { GroupTransaction } from './group.ts';
import { DatabaseUnavailable, isConflict, isLost } from './postgres/failures.ts';
import type { Database } from './schema.ts';
import { isStorageFull } from './storage.ts';
import { inTransaction } from './transactions.ts';
import { Turns } from './turns.ts';
import type { LoggedChange } from './types.ts';

/** A write of a tenant as listeners get it. */
export interface Commit {
  readonly tenant: string;
  /** Null: a notice without a new revision. */
  readonly revision: number | null;
  readonly changes: LoggedChange[];
}

/** What a write gives once it is committed. */
export interface Written {
  readonly value: unknown;
  readonly commit: Commit | null;
}

interface Job {
  readonly tenant: string;
  /** May run several times; only the last transaction is committed. */
  readonly run: (group: GroupTransaction) => Promise<Written>;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

interface WriterDeps {
  readonly db: Kysely<Database>;
  /** Time of the database. */
  readonly now: () => number;
  readonly written: (tenant: string) => void;
  readonly committed: (commit: Commit) => void;
  /** How long the fate of a commit without an answer is asked for. */
  readonly patienceMs: number;
}

/**
 * Runs writes, several in one commit. SQLite has one writer for the whole database. In PostgreSQL each tenant has its own,
 * because a write locks its tenant only.
 */
export class Writers {
  readonly #deps: WriterDeps;
  readonly #byTenant: boolean;
  readonly #turns = new Turns();
  readonly #writers = new Map<string, GroupWriter>();
  #storageFull = false;

  constructor(deps: WriterDeps) {
    this.#deps = deps;
    this.#byTenant = hasRowLocks(deps.db);
  }

  /** Whether the last write failed because the disk is full. */
  get storageFull(): boolean {
    return this.#storageFull;
  }

  submit(tenant: string, run: Job['run']): Promise<unknown> {
    const name = this.#byTenant ? tenant : '';
    let writer = this.#writers.get(name);
    if (writer === undefined) {
      const commit = this.#byTenant ? new MarkedCommit(this.#deps) : new PlainCommit(this.#deps);
      writer = new GroupWriter(commit, this.#turns, (full) => {
        this.#storageFull = full;
      });
      this.#writers.set(name, writer);
    }
    return writer.submit(tenant, run, () => this.#writers.delete(name));
  }

  async idle(): Promise<void> {
    while (this.#writers.size > 0) await Promise.all([...this.#writers.values()].map((writer) => writer.idle()));
  }
}

/** Most writes that share one commit. A larger group only makes its first write wait longer. */
const groupLimit = 64;

/** Writes that share one commit. Those that come while it waits for the tenant's lock, or for answers, join it. */
class Group {
  readonly jobs: Job[] = [];
  readonly #queue: Job[];

  constructor(queue: Job[]) {
    this.#queue = queue;
    this.join();
  }

  /** Takes what waits. */
  join(): void {
    this.jobs.push(...this.#queue.splice(0, groupLimit - this.jobs.length));
  }
}

/**
 * How long a tenant whose last group had several writes counts as one that writes, milliseconds. Those that wait for their
 * answers may write again at once.
 */
const lingerMs = 5;

class GroupWriter {
  readonly #commit: GroupCommit;
  readonly #turns: Turns;
  readonly #tellFull: (full: boolean) => void;
  readonly #queue: Job[] = [];
  #draining: Promise<void> | null = null;
  #wake = (): void => undefined;

  constructor(commit: GroupCommit, turns: Turns, tellFull: (full: boolean) => void) {
    this.#commit = commit;
    this.#turns = turns;
    this.#tellFull = tellFull;
  }

  submit(tenant: string, run: Job['run'], idle: () => void): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#queue.push({ tenant, run, resolve, reject });
      this.#wake();
      this.#draining ??= this.#drain().then(() => {
        if (this.#draining === null) idle();
      });
    });
  }

  async idle(): Promise<void> {
    await this.#draining;
  }

  async #drain(): Promise<void> {
    this.#turns.enter();
    for (let last = 0; ; ) {
      if (this.#queue.length === 0 && last > 1) await this.#linger();
      if (this.#queue.length === 0) break;
      // Requests that already wait in the sockets join before the transaction begins.
      await new Promise((resolve) => setImmediate(resolve));
      last = await this.#turns.run(last > 0, () => this.#runGroup());
    }
    this.#turns.leave();
    this.#draining = null;
  }

  /** Runs what waits in one commit. Returns how many writes that were. */
  async #runGroup(): Promise<number> {
    const group = new Group(this.#queue);
    try {
      this.#tellFull((await this.#commit.run(group)).some(isStorageFull));
    } catch (error) {
      this.#tellFull(isStorageFull(error));
      for (const job of group.jobs) job.reject(error);
    }
    return group.jobs.length;
  }

  async #linger(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, lingerMs);
    this.#wake = resolve;
    await promise;
    clearTimeout(timer);
    this.#wake = () => undefined;
  }
}

interface GroupCommit {
  /** Runs the jobs in one transaction and settles them. Returns the failures of single jobs; rejects when all fail. */
  run(group: Group): Promise<unknown[]>;
}

/** The jobs of a group as a transaction has left them, to be settled once it is committed. */
interface Attempted {
  readonly settle: readonly (() => void)[];
  readonly failures: unknown[];
}

class PlainCommit implements GroupCommit {
  readonly #deps: WriterDeps;

  constructor(deps: WriterDeps) {
    this.#deps = deps;
  }

  async run(group: Group): Promise<unknown[]> {
    const { settle, failures } = await quicklyOrCarefully(group, (carefully) =>
      this.#deps.db.transaction().execute((trx) => attemptAll(trx, group, this.#deps, carefully)),
    );
    for (const each of settle) each();
    return failures;
  }
}

/** How often the fate of a commit is asked for. */
const askEveryMs = 200;

/** Commits to a server that can vanish before it has answered. Each transaction leaves a mark, by which its fate is found out. */
class MarkedCommit implements GroupCommit {
  readonly #deps: WriterDeps;

  constructor(deps: WriterDeps) {
    this.#deps = deps;
  }

  async run(group: Group): Promise<unknown[]> {
    const attempts = new Attempts(this.#deps, group);
    const { settle, failures } = await quicklyOrCarefully(group, (carefully) => attempts.first(carefully)).catch(
      (error: unknown) => {
        // Everything before the commit was undone when the connection ended.
        if (attempts.last === null || !isLost(error)) throw error;
        return this.#findOut(attempts);
      },
    );
    for (const each of settle) each();
    return failures;
  }

  /** Returns what was committed: the last attempt, or a repetition when that was undone. */
  async #findOut(attempts: Attempts): Promise<Attempted> {
    const until = performance.now() + this.#deps.patienceMs;
    for (;;) {
      try {
        return await attempts.next();
      } catch (error) {
        if (!isLost(error)) throw error;
        if (performance.now() > until) throw new DatabaseUnavailable(unknownText, error);
        await sleep(askEveryMs);
      }
    }
  }
}

/** Attempts to commit one group. All leave the same mark, so that one of them at most is committed. */
class Attempts {
  /** The last one that got as far as its commit. */
  last: Attempted | null = null;
  readonly #mark = randomUUID();
  readonly #deps: WriterDeps;
  readonly #group: Group;

  constructor(deps: WriterDeps, group: Group) {
    this.#deps = deps;
    this.#group = group;
  }

  first(carefully: boolean): Promise<Attempted> {
    return inTransaction(this.#deps.db, async (trx) => {
      this.last = null;
      return attemptAll(trx, this.#group, this.#deps, carefully, (attempted, open) => {
        leaveMark(open, this.#mark, this.#deps.now());
        this.last = attempted;
      });
    });
  }

  /** Returns the last attempt if it was committed. Otherwise it makes a new attempt. */
  next(): Promise<Attempted> {
    return inTransaction(this.#deps.db, async (trx) => {
      const { last } = this;
      if (!(await takeMark(trx, this.#mark, this.#deps.now())) && last !== null) return last;
      return attemptAll(trx, this.#group, this.#deps, true, (attempted) => {
        this.last = attempted;
      });
    });
  }
}

const unknownText =
  'The connection to the database ended while the change was being saved, and it is not known whether it was: look before you repeat it';

/**
 * Runs a group with few statements. When one of them fails, and which write it belongs to is not known, runs the group
 * again so that each write fails or succeeds by itself.
 */
async function quicklyOrCarefully(
  { jobs }: Group,
  run: (carefully: boolean) => Promise<Attempted>,
): Promise<Attempted> {
  try {
    return await run(false);
  } catch (error) {
    if (jobs.length === 1 || isConflict(error) || isLost(error)) throw error;
    return run(true);
  }
}

async function attemptAll(
  trx: Transaction<Database>,
  group: Group,
  deps: WriterDeps,
  carefully: boolean,
  atEnd: (attempted: Attempted, open: GroupTransaction) => void = () => undefined,
): Promise<Attempted> {
  const open = await GroupTransaction.of(trx);
  const settle: (() => void)[] = [];
  const failures: unknown[] = [];
  for (const job of group.jobs) {
    // A write that is alone needs no way back to its beginning, which is two messages to the server.
    const isAlone = group.jobs.length === 1;
    await open.begin(!isAlone, carefully && !isAlone);
    settle.push(await attempt(open, job, deps, failures, carefully && !isAlone));
    if (!carefully) group.join();
  }
  atEnd({ settle, failures }, open);
  await open.finish();
  return { settle, failures };
}

/** Runs one job. Returns a function to call once the group is on disk. */
async function attempt(
  group: GroupTransaction,
  job: Job,
  deps: WriterDeps,
  failures: unknown[],
  carefully: boolean,
): Promise<() => void> {
  try {
    const written = await job.run(group);
    await group.end(carefully);
    return settled(job, written, deps);
  } catch (error) {
    if (isConflict(error) || !group.undoable) throw error;
    // When it cannot be undone, the whole transaction is rolled back, and the other jobs fail for the same reason.
    await group.undo().catch(() => {
      throw error;
    });
    failures.push(error);
    return () => job.reject(error);
  }
}

const settled =
  (job: Job, { value, commit }: Written, { written, committed }: WriterDeps) =>
  (): void => {
    written(job.tenant);
    if (commit !== null) committed(commit);
    job.resolve(value);
  };
