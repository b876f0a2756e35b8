import type { Kysely } from 'kysely';
import { runCompiled } from './compiled.ts';
import type { Database } from './schema.ts';
import { type Scoped, scoped } from './scoped.ts';
import type { HeardLog, LoggedChange, LoggedRevision, Notice } from './types.ts';

/** What a tenant's log holds for a consumer. */
export interface LogPart {
  /** The tenant's revision at the moment of the read. */
  readonly head: number;
  /** Everything after the consumer's revision; null: the log does not go back that far, so the consumer must reload. */
  readonly revisions: readonly LoggedRevision[] | null;
}

/** Reads the log after a consumer's revision. Rows of the same moment must be read in the same `store.read`. */
export async function readLog(db: Scoped, after: number, atMost = Number.MAX_SAFE_INTEGER): Promise<LogPart> {
  const { first, last } = await logSpan(db);
  if (after < first || after > last) return { head: last, revisions: null };
  if (after === last) return { head: last, revisions: [] };
  const rows = await db.run('read change log', [db.tenant, after, Math.min(last, after + atMost)], () =>
    db
      .selectFrom('change_log')
      .select(['revision', 'kind', 'object_id', 'op'])
      .where('revision', '>', after)
      .where('revision', '<=', last)
      .orderBy('revision')
      .orderBy('seq')
      .compile(),
  );
  return { head: last, revisions: revisionsOf(rows) };
}

/** Consumers that ask together: each tenant's log after the consumer's revision of it. */
type Asked = readonly { readonly tenant: string; readonly after: number }[];

/** Most logs that one statement reads. */
const mostLogs = 16;

/** Reads the logs of several tenants with few statements. What is missing in the answer is no tenant. */
export async function readLogs(db: Kysely<Database>, asked: Asked): Promise<Map<string, LogPart>> {
  const parts = new Map<string, LogPart>();
  for (let at = 0; at < asked.length; ) {
    // Powers of two, so that few texts cover all numbers and each can be prepared.
    let count = mostLogs;
    while (count > asked.length - at) count /= 2;
    await readTogether(db, asked.slice(at, at + count), parts);
    at += count;
  }
  return parts;
}

async function readTogether(db: Kysely<Database>, asked: Asked, parts: Map<string, LogPart>): Promise<void> {
  const [first, ...others] = asked.map(({ tenant, after }) => logAfter(db, tenant, after));
  if (first === undefined) return;
  const parameters = asked.flatMap(({ tenant, after }) => [after, tenant]);
  const { rows } = await runCompiled(db, `read logs ${asked.length}`, parameters, () =>
    others
      .reduce((all, one) => all.unionAll(one), first)
      .orderBy('revision')
      .orderBy('seq')
      .compile(),
  );
  const byTenant = Map.groupBy(rows, ({ tenant }) => tenant);
  for (const { tenant, after } of asked) {
    const own = byTenant.get(tenant);
    if (own?.[0] === undefined) continue;
    const { last: head, first } = own[0];
    const goesBack = after >= (first ?? 0) && after <= head;
    parts.set(tenant, { head, revisions: goesBack ? revisionsOf(own) : null });
  }
}

/** The ends of a tenant's log, in every row, and what is in it after a revision. */
const logAfter = (db: Kysely<Database>, tenant: string, after: number) =>
  scoped(db, tenant)
    .selectTenant()
    .leftJoin('audit_anchors', 'audit_anchors.tenant_id', 'tenants.id')
    .leftJoin('change_log', (join) =>
      join.onRef('change_log.tenant_id', '=', 'tenants.id').on('change_log.revision', '>', after),
    )
    .select(['tenants.id as tenant', 'tenants.revision as last', 'audit_anchors.revision as first'])
    .select(['change_log.revision as revision', 'change_log.seq as seq', 'kind', 'object_id', 'op']);

/** A row of the log; without a revision: there is none. */
interface LogRow {
  readonly revision: number | null;
  readonly kind: string | null;
  readonly object_id: string | null;
  readonly op: string | null;
}

function revisionsOf(rows: readonly LogRow[]): LoggedRevision[] {
  const revisions: { revision: number; changes: LoggedChange[] }[] = [];
  for (const { revision, kind, object_id: id, op } of rows) {
    if (revision === null) continue;
    if (revisions.at(-1)?.revision !== revision) revisions.push({ revision, changes: [] });
    revisions.at(-1)?.changes.push({ kind, id, op } as LoggedChange);
  }
  return revisions;
}

/** Where the log begins and ends. A consumer can go on from any revision between these, both included. */
export async function logSpan(db: Scoped): Promise<{ first: number; last: number }> {
  const [row] = await db.run('log span', [db.tenant], () =>
    db
      .selectTenant()
      // The log is dropped together with the audit events of the same revisions.
      .leftJoin('audit_anchors', 'audit_anchors.tenant_id', 'tenants.id')
      .select(['tenants.revision as last', 'audit_anchors.revision as first'])
      .compile(),
  );
  return { first: row?.first ?? 0, last: row?.last ?? 0 };
}

/**
 * Highest revision that this process has heard of, by tenant, and the newest revisions that it committed itself. The
 * second is a cache of the log: older and foreign revisions are read from the database.
 */
export class ChangeLog implements HeardLog {
  readonly #heads = new Map<string, number>();
  readonly #tails = new Map<string, Tail>();
  #changes = 0;

  head(tenant: string): number {
    return this.#heads.get(tenant) ?? 0;
  }

  tenants(): Iterable<string> {
    return this.#heads.keys();
  }

  heard({ tenant, revision }: Notice): void {
    if (revision > this.head(tenant)) this.#heads.set(tenant, revision);
  }

  /** A revision that this process has committed. */
  committed(tenant: string, entry: LoggedRevision): void {
    this.heard({ tenant, revision: entry.revision });
    const tail = this.#tails.get(tenant) ?? new Tail();
    const before = tail.changes;
    tail.add(entry);
    this.#changes += tail.changes - before;
    // The tenants of the latest writes stay.
    this.#tails.delete(tenant);
    this.#tails.set(tenant, tail);
    for (const [oldest, { changes }] of this.#tails) {
      if (this.#changes <= keptChanges) break;
      this.#tails.delete(oldest);
      this.#changes -= changes;
    }
  }

  recent(tenant: string, after: number): readonly LoggedRevision[] | null {
    const head = this.head(tenant);
    return after >= head ? [] : (this.#tails.get(tenant)?.between(after, head) ?? null);
  }
}

/** Changes kept of all tenants together: a few megabytes. */
const keptChanges = 50_000;
/** Newest revisions, and changes in them, kept of one tenant. */
const tailRevisions = 256;
const tailChanges = 5_000;

/** The newest revisions of a tenant, without a gap. */
class Tail {
  #revisions: LoggedRevision[] = [];
  changes = 0;

  add(entry: LoggedRevision): void {
    const last = this.#revisions.at(-1);
    // Another process has committed in between.
    if (last !== undefined && last.revision !== entry.revision - 1) this.#clear();
    this.#revisions.push(entry);
    this.changes += entry.changes.length;
    while (this.#revisions.length > tailRevisions || this.changes > tailChanges)
      this.changes -= this.#revisions.shift()?.changes.length ?? 0;
  }

  between(after: number, head: number): readonly LoggedRevision[] | null {
    const [first, last] = [this.#revisions[0]?.revision, this.#revisions.at(-1)?.revision];
    if (first === undefined || last === undefined || after < first - 1 || last < head) return null;
    return this.#revisions.slice(after - first + 1);
  }

  #clear(): void {
    this.#revisions = [];
    this.changes = 0;
  }
}
