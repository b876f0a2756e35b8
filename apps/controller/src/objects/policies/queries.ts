import type { Scoped } from '../../db/scoped.ts';

/** Returns the policies with an admission rule, in the order in which they are evaluated. */
export const policiesWithRule = (db: Scoped, rule: string): Promise<{ readonly id: string; readonly name: string }[]> =>
  db
    .selectFrom('policies')
    .select(['id', 'name'])
    .where('rule_id', '=', rule)
    .orderBy('type')
    .orderBy('position')
    .orderBy('id')
    .execute();
