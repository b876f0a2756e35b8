import { decodeJson } from '../../db/json.ts';
import type { Tx } from '../../db/store.ts';
import { tracked } from '../../db/tracked.ts';
import { bumpPolicies, findPolicies, type PolicyParts, withMembers } from './store.ts';

/** Runs `work` and records each of the policies that it changed. */
export function trackPolicies(tx: Tx, ids: readonly string[], work: () => Promise<void>): Promise<void> {
  return tracked(tx, { kind: 'policy', load: auditedPolicies, bump: bumpPolicies }, ids, work);
}

/** Returns policies in the form of the audit trail, by id. */
export async function auditedPolicies(tx: Tx, ids: readonly string[]) {
  const policies = await withMembers(tx.scoped, await findPolicies(tx.scoped, ids));
  return new Map(policies.map((policy) => [policy.row.id, audited(policy)]));
}

const audited = ({ row, members }: PolicyParts) => ({
  id: row.id,
  name: row.name,
  description: row.description,
  type: row.type,
  action: row.action === 1,
  order: row.position,
  mode: row.mode,
  allGroups: row.all_groups === 1,
  allUsers: row.all_users === 1,
  allDevices: row.all_devices === 1,
  allResources: row.all_resources === 1,
  groups: members.group,
  users: members.user,
  devices: members.device,
  resources: members.resource,
  gateways: members.gateway,
  sourceIps: decodeJson<string[]>(row.source_ips),
  rule: row.rule_id,
});
