import { selectIn } from '../../db/chunks.ts';
import type { Row } from '../../db/schema.ts';
import type { Scoped } from '../../db/scoped.ts';

export type AdmissionRuleRow = Row<'admission_rules'>;

export const findRules = (db: Scoped, ids: readonly string[]): Promise<AdmissionRuleRow[]> =>
  selectIn(ids, (part) => db.selectFrom('admission_rules').selectAll().where('id', 'in', part).execute());

/** Built-in ones first. */
export const listRules = (db: Scoped): Promise<AdmissionRuleRow[]> =>
  db
    .selectFrom('admission_rules')
    .selectAll()
    .orderBy('built_in', 'desc')
    .orderBy('created_at')
    .orderBy('id')
    .execute();
