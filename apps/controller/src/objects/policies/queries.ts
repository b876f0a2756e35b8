import type { Scoped } from '../../db/scoped.ts';

/** Policies that have an admission rule, in the order in which they are walked. */
export const policiesWithRule = (db: Scoped, rule: string): Promise<{ readonly id: string; readonly name: string }[]> =>
  db
    .selectFrom('policies')
    .select(['id', 'name'])
    .where('rule_id', '=', rule)
    .orderBy('type')
    .orderBy('position')
    .orderBy('id')
    .execute();
