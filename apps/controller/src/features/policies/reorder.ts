import type { Input } from '@sallyport/contract';
import type { Tx } from '../../db/store.ts';
import { ApiError } from '../../errors.ts';
import { FieldErrors } from '../../field-errors.ts';
import { policiesOfType, updatePolicy } from '../../objects/policies/store.ts';
import { trackPolicies } from '../../objects/policies/tracking.ts';

/** Numbers the policies of one type from 1. The list must be complete except for the default policy, which stays last. */
export async function reorderPolicies(tx: Tx, { type, policies }: Input<'reorderPolicies'>['body']): Promise<void> {
  const present = await policiesOfType(tx.scoped, type);
  const rows = new Map(present.map((row) => [row.id, row]));
  const wanted = policies.map((id) => id.toLowerCase());
  if (wanted.some((id) => rows.get(id)?.is_default === 1))
    throw new ApiError('built_in', 'The default policy is always last: leave it out of the list');
  const errors = new FieldErrors();
  for (const [i, id] of wanted.entries()) {
    const pointer = `/policies/${i}`;
    if (!rows.has(id)) errors.add(pointer, `is not the id of a policy of type ${type}`, 'invalid_reference');
    else if (wanted.indexOf(id) !== i) errors.add(pointer, 'is given twice');
  }
  const missing = present.filter((row) => row.is_default === 0 && !wanted.includes(row.id));
  if (missing.length > 0)
    errors.add('/policies', `must be complete; missing: ${missing.map(({ id }) => id).join(', ')}`);
  errors.check();
  await trackPolicies(tx, wanted, async () => {
    for (const [i, id] of wanted.entries())
      if (rows.get(id)?.position !== i + 1) await updatePolicy(tx, id, { position: i + 1 });
  });
}
