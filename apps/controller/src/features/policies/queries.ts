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
import type { UserQueries } from '../../objects/users/queries.ts';
import { policyView } from './views.ts';

export interface PolicyQueryDeps {
  readonly devices: Pick<DeviceQueries, 'nested'>;
  readonly gateways: Pick<GatewayQueries, 'nested'>;
  readonly users: Pick<UserQueries, 'nested'>;
}

export function createPolicyQueries({ devices, gateways, users }: PolicyQueryDeps) {
  const views = async (db: Scoped, rows: readonly PolicyRow[]): Promise<Policy[]> => {
    const policies = await withMembers(db, rows);
    const ids = (kind: keyof Members) => [...new Set(policies.flatMap(({ members }) => members[kind]))];
    const named = {
      groups: await nestedGroups(db, ids('group')),
      users: await users.nested(db, ids('user')),
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

export type PolicyQueries = ReturnType<typeof createPolicyQueries>;

/** A default policy is stored far behind all others; it is shown as the one after them. */
async function shownOrders(db: Scoped, rows: readonly PolicyRow[]): Promise<ReadonlyMap<PolicyRow, number>> {
  const orders = new Map<PolicyRow, number>();
  for (const row of rows) if (row.is_default === 1) orders.set(row, await nextPosition(db, row.type));
  return orders;
}
