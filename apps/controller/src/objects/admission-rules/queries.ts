import type { AdmissionRule } from '@sallyport/contract';
import type { Scoped } from '../../db/scoped.ts';
import { findRules, listRules } from './store.ts';
import { admissionRuleView } from './views.ts';

/** Returns admission rules by id. Unknown ids are left out. */
export async function rulesById(db: Scoped, ids: readonly string[]): Promise<ReadonlyMap<string, AdmissionRule>> {
  const rows = await findRules(db, [...new Set(ids)]);
  return new Map(rows.map((row) => [row.id, admissionRuleView(row)]));
}

/** Returns the id of the built-in rule, which admits every device. */
export async function builtInRule(db: Scoped): Promise<string> {
  const [rule] = await listRules(db);
  if (rule === undefined || rule.built_in !== 1) throw new Error(`tenant ${db.tenant} has no built-in admission rule`);
  return rule.id;
}
