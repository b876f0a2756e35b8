import { type Expression, type RawBuilder, sql } from 'kysely';
import { perDialect } from './per-dialect.ts';

/** Returns the later of two times, epoch milliseconds. A missing time counts as 0. */
export const latest = (a: Expression<unknown>, b: Expression<unknown>): RawBuilder<number> =>
  perDialect(sql`max(coalesce(${a}, 0), coalesce(${b}, 0))`, sql`greatest(${a}, ${b}, 0)`);
