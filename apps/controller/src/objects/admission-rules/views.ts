import type { AdmissionRule } from '@sallyport/contract';
import { ruleProblem } from '@sallyport/policy';
import type { AdmissionRuleRow } from './store.ts';

/** Returns a rule in the form of answers. */
export const admissionRuleView = (row: AdmissionRuleRow): AdmissionRule => {
  const problem = row.rule === null ? null : ruleProblem(row.rule);
  return {
    id: row.id,
    createdAt: new Date(row.created_at).toISOString(),
    updatedAt: new Date(row.updated_at).toISOString(),
    name: row.name,
    type: row.type,
    hasTimeConstraint: row.has_time_constraint === 1,
    ...(row.rule === null ? {} : { rule: row.rule }),
    ...(row.time_zone === null ? {} : { timeZone: row.time_zone }),
    ...(problem === null ? {} : { problem }),
  };
};
