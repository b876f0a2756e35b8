import type { AdmissionRule, Device, Gateway, Policy } from '@sallyport/contract';
import { decodeJson } from '../../db/json.ts';
import type { NestedGroup } from '../../objects/groups/views.ts';
import type { PolicyParts } from '../../objects/policies/store.ts';
import type { NestedResource } from '../../objects/resources/views.ts';
import type { NestedUser } from '../../objects/users/queries.ts';

/** The objects that policies name, by id. */
export interface Named {
  readonly groups: ReadonlyMap<string, NestedGroup>;
  readonly users: ReadonlyMap<string, NestedUser>;
  readonly devices: ReadonlyMap<string, Device>;
  readonly resources: ReadonlyMap<string, NestedResource>;
  readonly gateways: ReadonlyMap<string, Gateway>;
  readonly rules: ReadonlyMap<string, AdmissionRule>;
}

/** Returns a policy in the form of answers. `order` is its position as shown. */
export function policyView({ row, members }: PolicyParts, order: number, named: Named): Policy {
  const rule = named.rules.get(row.rule_id);
  return {
    id: row.id,
    createdAt: new Date(row.created_at).toISOString(),
    updatedAt: new Date(row.updated_at).toISOString(),
    name: row.name,
    ...(row.description === null ? {} : { description: row.description }),
    action: row.action === 1,
    order,
    isDefault: row.is_default === 1,
    type: row.type,
    ...(row.mode === null ? {} : { mode: row.mode }),
    allGroups: row.all_groups === 1,
    allUsers: row.all_users === 1,
    allDevices: row.all_devices === 1,
    allResources: row.all_resources === 1,
    groups: found(members.group, named.groups),
    users: found(members.user, named.users),
    devices: found(members.device, named.devices),
    resources: found(members.resource, named.resources),
    gateways: found(members.gateway, named.gateways),
    sourceIps: decodeJson<string[]>(row.source_ips),
    ...(rule === undefined ? {} : { rule }),
  };
}

const found = <T>(ids: readonly string[], known: ReadonlyMap<string, T>): T[] =>
  ids.flatMap((id) => known.get(id) ?? []);
