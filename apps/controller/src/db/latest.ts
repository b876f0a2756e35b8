import { type Expression, type RawBuilder, sql } from 'kysely';

/** Returns the later of two times, epoch milliseconds. A missing time counts as 0. */
export const latest = (a: Expression<unknown>, b: Expression<unknown>): RawBuilder<number> =>
  sql`max(coalesce(${a}, 0), coalesce(${b}, 0))`;
