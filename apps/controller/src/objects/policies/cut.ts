import type { Tx } from '../../db/store.ts';
import { deleteMember, type MemberKind, policiesNaming } from './store.ts';
import { trackPolicies } from './tracking.ts';

/** Removes an object from every policy that names it. A list that becomes empty matches nothing, never everything. */
export async function cutFromPolicies(tx: Tx, kind: MemberKind, id: string): Promise<void> {
  const policies = await policiesNaming(tx.scoped, kind, id);
  if (policies.length > 0) await trackPolicies(tx, policies, () => deleteMember(tx, kind, id));
}
