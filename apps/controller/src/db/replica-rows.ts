import { type Kysely, sql } from 'kysely';
import { replicaSpace } from './postgres/session.ts';
import type { FactTable, ReplicaTable } from './replica-tables.ts';
import type { Database } from './schema.ts';
import { inTransaction } from './transactions.ts';
import type { Notice } from './types.ts';

/** What a replica says of itself again and again. */
export type Beat = Pick<ReplicaTable, 'seen_at' | 'agents' | 'behind' | 'skew_ms' | 'beacon'>;

/** A row of a replica, and whether its session lives. */
export interface ReplicaRow extends ReplicaTable {
  readonly attached: number;
}

/** Makes a replica known, or says that it lives. */
export async function beat(
  db: Kysely<Database>,
  fixed: Omit<ReplicaTable, keyof Beat | 'fact_number'>,
  changing: Beat,
): Promise<void> {
  await db
    .insertInto('replicas')
    .values({ ...fixed, ...changing, fact_number: 0 })
    .onConflict((conflict) => conflict.column('id').doUpdateSet(changing))
    .execute();
}

/** Says that a replica has ended, as if it was seen last at a time, epoch milliseconds. */
export async function endReplica(db: Kysely<Database>, id: string, seenAt: number): Promise<void> {
  await db.updateTable('replicas').set({ seen_at: seenAt, agents: 0 }).where('id', '=', id).execute();
}

/** Removes replicas that were not seen since a time, epoch milliseconds. */
export async function forgetReplicas(db: Kysely<Database>, before: number): Promise<void> {
  await db.deleteFrom('replicas').where('seen_at', '<', before).execute();
}

/** Returns all replicas but one, also those that have ended. */
export function otherReplicas(db: Kysely<Database>, self: string): Promise<ReplicaRow[]> {
  const attached = sql<number>`exists (select 1 from pg_locks where locktype = 'advisory' and granted
    and classid = ${sql.lit(replicaSpace)} and objid = replicas.lock_key
    and database = (select oid from pg_database where datname = current_database()))`;
  return db.selectFrom('replicas').selectAll().select(attached.as('attached')).where('id', '<>', self).execute();
}

/** Returns all replicas, also those that have ended, the oldest first. */
export const allReplicas = (db: Kysely<Database>): Promise<ReplicaTable[]> =>
  db.selectFrom('replicas').selectAll().orderBy('started_at').orderBy('id').execute();

/** Returns the revisions of these tenants. */
export const headsOf = (db: Kysely<Database>, tenants: readonly string[]): Promise<Notice[]> =>
  db.selectFrom('tenants').select(['id as tenant', 'revision']).where('id', 'in', tenants).execute();

/** Stores facts of a replica, together with the number of its last one. One of an older generation changes nothing. */
export async function storeFacts(db: Kysely<Database>, replica: string, rows: readonly FactTable[]): Promise<void> {
  await inTransaction(db, async (trx) => {
    await trx
      .insertInto('facts')
      .values(rows)
      .onConflict((conflict) =>
        conflict
          .columns(['kind', 'object'])
          .doUpdateSet(({ ref }) => ({
            tenant_id: ref('excluded.tenant_id'),
            value: ref('excluded.value'),
            generation: ref('excluded.generation'),
            replica: ref('excluded.replica'),
            number: ref('excluded.number'),
            at: ref('excluded.at'),
          }))
          .whereRef('facts.generation', '<=', 'excluded.generation'),
      )
      .execute();
    const last = Math.max(...rows.map(({ number }) => number));
    await trx.updateTable('replicas').set({ fact_number: last }).where('id', '=', replica).execute();
  });
}

/** Returns facts of a replica after a number, in order. */
export const factsAfter = (db: Kysely<Database>, replica: string, after: number): Promise<FactTable[]> =>
  facts(db).where('replica', '=', replica).where('number', '>', after).execute();

/** Returns all facts of these kinds. */
export const factsOfKinds = (db: Kysely<Database>, kinds: readonly string[]): Promise<FactTable[]> =>
  facts(db).where('kind', 'in', kinds).execute();

const facts = (db: Kysely<Database>) => db.selectFrom('facts').selectAll().orderBy('number');
