import { operations } from '@sallyport/contract';
import { scoped } from '../../db/scoped.ts';
import type { Store, Tx } from '../../db/store.ts';
import { type Handlers, summaryText } from '../../http/handlers.ts';
import type { GatewayQueries } from '../../objects/gateways/queries.ts';
import type { ResourceQueries } from '../../objects/resources/queries.ts';
import { addressRoutes } from './address-routes.ts';
import { balanceLoad, changeResource, createResource, detachGateway, removeResource } from './commands.ts';

/** What the operations on resources need. */
export interface ResourceRouteDeps {
  readonly store: Store;
  readonly gateways: Pick<GatewayQueries, 'nested'>;
  readonly resources: ResourceQueries;
}

type ResourceOperation =
  | 'createResource'
  | 'listResources'
  | 'getResource'
  | 'updateResource'
  | 'deleteResource'
  | 'saveLoadBalancing'
  | 'detachGateway';

/** Resources and their addresses. */
export const resourceFeature = {
  routes: (deps: ResourceRouteDeps) => ({ ...resourceRoutes(deps), ...addressRoutes(deps) }),
};

function resourceRoutes({ store, gateways, resources }: ResourceRouteDeps): Handlers<ResourceOperation> {
  const answer = (tx: Tx, id: string) => resources.get(tx.scoped, id);
  return {
    createResource: { write: async (tx, _context, { body }) => answer(tx, await createResource(tx, body)) },
    listResources: {
      read: ({ tenant }, { query }) =>
        store.read(async (db) => {
          const own = scoped(db, tenant);
          if (query.fields !== 'summary') return { body: await resources.list(own, query) };
          return { body: summaryText(operations.listResources, await resources.summaries(own, query)) };
        }),
    },
    getResource: {
      read: ({ tenant }, { params }) => store.read((db) => resources.read(scoped(db, tenant), params.id)),
    },
    updateResource: {
      write: async (tx, context, { params, body }) => {
        await changeResource(tx, context, params.id, body);
        return answer(tx, params.id);
      },
    },
    deleteResource: {
      write: async (tx, context, { params }) => {
        await removeResource(tx, context, gateways, params.id);
        return { body: undefined };
      },
    },
    saveLoadBalancing: {
      write: async (tx, context, { params, body }) => {
        await balanceLoad(tx, context, gateways, params.id, body);
        return answer(tx, params.id);
      },
    },
    detachGateway: {
      write: async (tx, context, { params }) => {
        await detachGateway(tx, context, gateways, params.id, params.gatewayId);
        return { body: undefined };
      },
    },
  };
}
