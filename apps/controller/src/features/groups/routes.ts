import { operations } from '@sallyport/contract';
import { scoped } from '../../db/scoped.ts';
import type { Store } from '../../db/store.ts';
import { type Handlers, summaryText } from '../../http/handlers.ts';
import { getGroup, listGroups, summariseGroups } from '../../objects/groups/queries.ts';
import { changeGroup, createGroup, removeGroup } from './commands.ts';

type GroupOperation = 'createGroup' | 'listGroups' | 'getGroup' | 'updateGroup' | 'deleteGroup';

/** Groups of users. */
export const groupFeature = { routes: groupRoutes };

function groupRoutes({ store }: { readonly store: Store }): Handlers<GroupOperation> {
  return {
    createGroup: { write: async (tx, context, { body }) => getGroup(tx.scoped, await createGroup(tx, context, body)) },
    listGroups: {
      read: ({ tenant }, { query }) =>
        store.read(async (db) => {
          const own = scoped(db, tenant);
          if (query.fields !== 'summary') return { body: await listGroups(own, query) };
          return { body: summaryText(operations.listGroups, await summariseGroups(own, query)) };
        }),
    },
    getGroup: { read: ({ tenant }, { params }) => store.read((db) => getGroup(scoped(db, tenant), params.id)) },
    updateGroup: {
      write: async (tx, context, { params, body }) => {
        await changeGroup(tx, context, params.id, body);
        return getGroup(tx.scoped, params.id);
      },
    },
    deleteGroup: {
      write: async (tx, context, { params }) => {
        await removeGroup(tx, context, params.id);
        return { body: undefined };
      },
    },
  };
}
