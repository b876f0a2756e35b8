import type { Policy, PolicyType } from '@sallyport/contract';
import type { Scoped } from '../../db/scoped.ts';
import { notFound } from '../../errors.ts';
import { rulesById } from '../../objects/admission-rules/queries.ts';
import type { DeviceQueries } from '../../objects/devices/queries.ts';
import type { GatewayQueries } from '../../objects/gateways/queries.ts';
import { nestedGroups } from '../../objects/groups/queries.ts';
import {
  findPolicy,
  listPolicies,
  type Members,
  nextPosition,
  type PolicyRow,
  policiesOfType,
  withMembers,
} from '../../objects/policies/store.ts';
import { nestedResources } from '../../objects/resources/queries.ts';
import { nestedUsers } from '../../objects/users/queries.ts';
import { policyView } from './views.ts';

/** What the queries of policies need. */
export interface PolicyQueryDeps {
  readonly devices: Pick<DeviceQueries, 'nested'>;
  readonly gateways: Pick<GatewayQueries, 'nested'>;
  readonly now: () => number;
}

/** Makes the queries that answer with policies and the objects they name. */
export function createPolicyQueries({ devices, gateways, now }: PolicyQueryDeps) {
  const views = async (db: Scoped, rows: readonly PolicyRow[]): Promise<Policy[]> => {
    const policies = await withMembers(db, rows);
    const ids = (kind: keyof Members) => [...new Set(policies.flatMap(({ members }) => members[kind]))];
    const named = {
      groups: await nestedGroups(db, ids('group')),
      users: await nestedUsers(db, ids('user'), now()),
      devices: await devices.nested(db, ids('device')),
      resources: await nestedResources(db, ids('resource')),
      gateways: await gateways.nested(db, ids('gateway')),
      rules: await rulesById(
        db,
        rows.map(({ rule_id }) => rule_id),
      ),
    };
    const orders = await shownOrders(db, rows);
    return policies.map((policy) => policyView(policy, orders.get(policy.row) ?? policy.row.position, named));
  };
  return {
    /** One policy and its version. */
    get: async (db: Scoped, id: string): Promise<{ body: Policy; version: number }> => {
      const row = await findPolicy(db, id);
      const [body] = row === undefined ? [] : await views(db, [row]);
      if (row === undefined || body === undefined) throw notFound();
      return { body, version: row.version };
    },
    list: async (db: Scoped): Promise<Policy[]> => views(db, await listPolicies(db)),
    ofType: async (db: Scoped, type: PolicyType): Promise<Policy[]> => views(db, await policiesOfType(db, type)),
  };
}

/** Returns the shown order of default policies. They are stored far behind all others and shown right after them. */
async function shownOrders(db: Scoped, rows: readonly PolicyRow[]): Promise<ReadonlyMap<PolicyRow, number>> {
  const orders = new Map<PolicyRow, number>();
  for (const row of rows) if (row.is_default === 1) orders.set(row, await nextPosition(db, row.type));
  return orders;
}
