import type { ExpressionBuilder, ExpressionWrapper, Kysely, SqlBool } from 'kysely';
import { hasRowLocks } from './dialect.ts';
import type { Database } from './schema.ts';
import { unscoped } from './scoped.ts';
import type { Store } from './types.ts';

/** Most rows that one statement removes. */
const mostAtOnce = 1_000;

/**
 * Removes what replicas noted about gateways and devices that were deleted since: facts, and who had them. A row that
 * comes late is removed the next time. Identifiers are never used again, so no row of a living agent is removed.
 */
export async function forgetDeletedAgents({ db }: Pick<Store, 'db'>, atOnce = mostAtOnce): Promise<void> {
  const notes = unscoped(db, 'replicas note what they see of the agents of all tenants');
  for (const forget of [forgetFacts, forgetHolders]) {
    let removed = atOnce;
    while (removed >= atOnce) removed = await forget(notes, atOnce);
  }
}

/** Leaves out rows that a replica is writing, so that transactions do not wait for each other in a circle. */
async function forgetFacts(db: Kysely<Database>, most: number): Promise<number> {
  const { numDeletedRows } = await db
    .deleteFrom('facts')
    .where((eb) =>
      eb(
        eb.refTuple('kind', 'object'),
        'in',
        eb
          .selectFrom('facts as note')
          .select(['note.kind', 'note.object'])
          .where((inner) => isDeleted(inner, inner.ref('note.object')))
          .limit(most)
          .$if(hasRowLocks(db), (query) => query.forUpdate('note').skipLocked())
          .$asTuple('kind', 'object'),
      ),
    )
    .executeTakeFirstOrThrow();
  return Number(numDeletedRows);
}

async function forgetHolders(db: Kysely<Database>, most: number): Promise<number> {
  const { numDeletedRows } = await db
    .deleteFrom('agent_holders')
    .where('agent', 'in', (eb) =>
      eb
        .selectFrom('agent_holders as note')
        .select('note.agent')
        .where((inner) => isDeleted(inner, inner.ref('note.agent')))
        .limit(most)
        .$if(hasRowLocks(db), (query) => query.forUpdate('note').skipLocked()),
    )
    .executeTakeFirstOrThrow();
  return Number(numDeletedRows);
}

// biome-ignore lint/suspicious/noExplicitAny: the tables of the query around it do not matter
function isDeleted(eb: ExpressionBuilder<Database, any>, id: ExpressionWrapper<any, any, string>) {
  const { not, exists, selectFrom } = eb as unknown as ExpressionBuilder<Database, never>;
  const there = (table: 'gateways' | 'devices') =>
    not(
      exists(
        selectFrom(table)
          .select(`${table}.id`)
          .where(`${table}.id` as 'gateways.id', '=', id),
      ),
    );
  return eb.and([there('gateways'), there('devices')]) as ExpressionWrapper<Database, never, SqlBool>;
}
