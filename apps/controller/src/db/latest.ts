import { type Expression, type RawBuilder, sql } from 'kysely';

/** The later of two moments, epoch milliseconds; one that is not there counts as 0. */
export const latest = (a: Expression<unknown>, b: Expression<unknown>): RawBuilder<number> =>
  sql`max(coalesce(${a}, 0), coalesce(${b}, 0))`;
