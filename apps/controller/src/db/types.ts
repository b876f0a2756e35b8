import type { CompiledQuery, Kysely } from 'kysely';
import type { Database } from './schema.ts';
import type { Scoped } from './scoped.ts';

/** Kinds of objects in the audit trail and the change log. */
export type ObjectKind =
  | 'tenant'
  | 'api-key'
  | 'gateway'
  | 'device'
  | 'enrolment-key'
  | 'relay'
  | 'protocol'
  | 'resource'
  | 'policy'
  | 'admission-rule'
  | 'user'
  | 'group'
  | 'provider'
  | 'role';

/** One object touched by a write. */
export interface Change {
  readonly kind: ObjectKind;
  readonly id: string;
  /** `rekey` ends a gateway's identity. */
  readonly op: 'create' | 'update' | 'delete' | 'rekey';
  /** Name for the plan of a dry run. */
  readonly name?: string;
  /** The name of the change in a dry run where `op` says too little. */
  readonly action?: 'attach' | 'detach' | 'disconnect';
  /** The object before and after, for the audit event. It never holds a secret. */
  readonly before?: object | null;
  readonly after?: object | null;
  /** For the audit trail alone, such as a sign-in: no revision, and nothing for programs that follow changes. */
  readonly auditOnly?: true;
  /** For programs that follow changes alone: no audit event, because the object itself did not change. */
  readonly feedOnly?: true;
  /** The operation, for the audit event, where it is a part of a batch. */
  readonly operation?: string;
}

/** The actor of a write: who or what caused it. */
export interface Actor {
  readonly kind: 'api-key' | 'user' | 'agent' | 'operator' | 'system';
  readonly id: string | null;
  readonly name: string;
}

/** The tenant and the actor of a write. */
export interface WriteContext {
  readonly tenant: string;
  readonly actor: Actor;
  /** Name of the operation, for the audit event. */
  readonly action: string;
  readonly sourceIp: string | null;
  readonly requestId: string | null;
}

/** An open write. Await only SQL in it: all other writes wait. */
export interface Tx {
  readonly tenant: string;
  readonly db: Kysely<Database>;
  readonly scoped: Scoped;
  /** Returns the revision of the tenant before the write; 0 while there is no tenant. */
  revision(): Promise<number>;
  /** Epoch milliseconds, constant within the write. */
  readonly now: number;
  /** Returns what this transaction knows under a name, if it still does: a statement that writes makes it forget all. */
  known<T>(name: string): T | undefined;
  /** Keeps a value that the next writes of the transaction may need. `stored`: stores it, before the next statement. */
  know(name: string, value: unknown, stored?: CompiledQuery): void;
  /** Records a changed object. Call it also for objects of which only related objects changed. */
  changed(change: Change): void;
  /**
   * Records that somebody may have lost the right to call, without a change of an object: a session ended. Listeners get a
   * notice after the commit.
   */
  rightsChanged(): void;
}

/** One row of the change log: the object that changed, and how. It is all that a consumer needs to follow. */
export type LoggedChange = Pick<Change, 'kind' | 'id' | 'op'>;

/** The changes of one revision, in order. */
export interface LoggedRevision {
  readonly revision: number;
  readonly changes: LoggedChange[];
}

/** A tenant is at this revision or at a later one. Notices may come late, twice and out of order. */
export interface Notice {
  readonly tenant: string;
  readonly revision: number;
}

/** Revisions that this process has heard of. */
export interface HeardLog {
  /** Highest revision of a tenant; 0: nothing was heard. */
  head(tenant: string): number;
  /** All tenants of which something was heard. */
  tenants(): Iterable<string>;
  /** To be called with a revision that was read from the database. */
  heard(notice: Notice): void;
  /** Everything after a revision, up to the head, without a query; null: it must be read from the database. */
  recent(tenant: string, after: number): readonly LoggedRevision[] | null;
}

/** The database of the controller: reads, writes and their change log. */
export interface Store {
  readonly db: Kysely<Database>;
  readonly now: () => number;
  readonly log: HeardLog;
  /** Runs several queries on one state of the database. */
  read<T>(work: (db: Kysely<Database>) => Promise<T>): Promise<T>;
  /**
   * Runs `work` in a transaction and resolves once it is on disk. It locks the tenant's head first. With changes, it
   * takes the tenant's next revision and writes audit events and the change log in the same transaction. Concurrent
   * writes share one commit. A write that throws is undone alone.
   */
  write<T>(context: WriteContext, work: (tx: Tx) => Promise<T>): Promise<T>;
  /** Runs `work`, calls `look` while its changes are visible, then undoes everything. */
  dryRun<T>(
    context: WriteContext,
    work: (tx: Tx) => Promise<unknown>,
    look: (tx: Tx, changes: readonly Change[]) => Promise<T>,
  ): Promise<T>;
  /**
   * Called after each commit of this process, in commit order and before the writer's promise resolves, and after each
   * call of `noticed`. A failure of the listener is reported and does not reach the writer.
   */
  onCommit(listener: (notice: Notice) => void): void;
  /** Tells the store that another process has committed to the same database. */
  noticed(notice: Notice): void;
  /**
   * Number of writes of a tenant that this process has committed or heard of, also of those without a revision. What was
   * read under the same number is still true.
   */
  generation(tenant: string): number;
  /** Returns why the database cannot be used at the moment; null when it can. */
  trouble(): string | null;
  /** Whether the last write failed because the disk is full. */
  storageFull(): boolean;
  /** Waits for the writes under way and closes the database. */
  close(): Promise<void>;
}

/** A tenant's head: its revision, and the hash of its newest audit event. */
export interface Head {
  readonly revision: number;
  readonly hash: string;
}

/** Checks writes within them. A thrown error undoes the write. */
export interface WriteCheck {
  /** Called before the work. It may begin to read what it will need. `heard`: revision that this process has heard of. */
  ahead?(tx: Tx, heard: number): void;
  /**
   * Called after the work. `before` and `after`: the tenant's head; null before the tenant exists, and after a dry run.
   */
  check(tx: Tx, changes: readonly Change[], before: Head | null, after: Head | null): Promise<void>;
}
