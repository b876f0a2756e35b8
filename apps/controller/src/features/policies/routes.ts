import { scoped } from '../../db/scoped.ts';
import type { Store, Tx } from '../../db/store.ts';
import type { Handlers } from '../../http/handlers.ts';
import { changePolicy, createPolicy, removePolicy } from './commands.ts';
import { createPolicyQueries, type PolicyQueryDeps } from './queries.ts';
import { reorderPolicies } from './reorder.ts';

/** What the operations on policies need. */
export interface PolicyRouteDeps extends Omit<PolicyQueryDeps, 'now'> {
  readonly store: Store;
}

type PolicyOperation =
  | 'createPolicy'
  | 'listPolicies'
  | 'getPolicy'
  | 'updatePolicy'
  | 'deletePolicy'
  | 'reorderPolicies';

/** Policies and their order. */
export const policyFeature = { routes: policyRoutes };

function policyRoutes({ store, devices, gateways }: PolicyRouteDeps): Handlers<PolicyOperation> {
  const deps = { devices, gateways, now: store.now };
  const policies = createPolicyQueries(deps);
  const answer = (tx: Tx, id: string) => policies.get(tx.scoped, id);
  return {
    createPolicy: { write: async (tx, _context, { body }) => answer(tx, await createPolicy(tx, deps, body)) },
    listPolicies: {
      read: ({ tenant }) => store.read(async (db) => ({ body: await policies.list(scoped(db, tenant)) })),
    },
    getPolicy: {
      read: ({ tenant }, { params }) => store.read((db) => policies.get(scoped(db, tenant), params.id)),
    },
    updatePolicy: {
      write: async (tx, context, { params, body }) => {
        await changePolicy(tx, context, deps, params.id, body);
        return answer(tx, params.id);
      },
    },
    deletePolicy: {
      write: async (tx, context, { params }) => {
        await removePolicy(tx, context, params.id);
        return { body: undefined };
      },
    },
    reorderPolicies: {
      write: async (tx, _context, { body }) => {
        await reorderPolicies(tx, body);
        return { body: await policies.ofType(tx.scoped, body.type) };
      },
    },
  };
}
