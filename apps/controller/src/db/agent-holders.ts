import { sql } from 'kysely';
import { perDialect } from './per-dialect.ts';
import { unscoped } from './scoped.ts';
import type { Store } from './types.ts';

/** An agent that a process wants to have alone. */
export interface WantedAgent {
  readonly agent: string;
  readonly tenant: string;
}

/** An agent that a process has alone from now on. */
export interface ClaimedAgent {
  readonly agent: string;
  /** Greater than those of all claims before. */
  readonly generation: number;
  /** Process that had the agent before; null: there was none. It may be the same. */
  readonly former: string | null;
}

/** A claim of any process. */
export interface LateClaim {
  readonly agent: string;
  readonly replica: string;
  readonly generation: number;
  /** When it was made, time of the database. */
  readonly at: number;
}

const holders = ({ db }: Pick<Store, 'db'>) =>
  unscoped(db, 'a process holds agents of all tenants, and claims them together');

/** Time of the database, epoch milliseconds. A claim of a process that stood still has the time at which it was made. */
const databaseNow = perDialect(
  sql<number>`CAST(unixepoch('subsec') * 1000 AS INTEGER)`,
  sql<number>`CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)`,
);

/**
 * Makes a process the only holder of agents, each named once, in one statement. All processes take the rows in the same
 * order, so that they do not wait for each other in a circle.
 */
export async function claimAgents(
  store: Pick<Store, 'db'>,
  replica: string,
  wanted: readonly WantedAgent[],
): Promise<ClaimedAgent[]> {
  const rows = wanted
    .toSorted((a, b) => (a.agent < b.agent ? -1 : 1))
    .map(({ agent, tenant }) => {
      return { agent, tenant_id: tenant, replica, generation: 1, previous: null, claimed_at: databaseNow };
    });
  const claimed = await holders(store)
    .insertInto('agent_holders')
    .values(rows)
    .onConflict((conflict) =>
      conflict.column('agent').doUpdateSet({
        replica,
        generation: (eb) => eb('agent_holders.generation', '+', 1),
        previous: (eb) => eb.ref('agent_holders.replica'),
        claimed_at: databaseNow,
      }),
    )
    .returning(['agent', 'generation', 'previous'])
    .execute();
  return claimed.map(({ agent, generation, previous }) => ({ agent, generation, former: previous }));
}

/** Claims of all processes since a moment of the database. */
export async function claimsSince(store: Pick<Store, 'db'>, since: number): Promise<LateClaim[]> {
  const rows = await holders(store)
    .selectFrom('agent_holders')
    .select(['agent', 'replica', 'generation', 'claimed_at'])
    .where('claimed_at', '>=', since)
    .execute();
  return rows.map(({ claimed_at: at, ...claim }) => ({ ...claim, at }));
}
