import { scoped } from '../../db/scoped.ts';
import type { Store } from '../../db/store.ts';
import type { Handlers } from '../../http/handlers.ts';
import { getGroup, listGroups } from '../../objects/groups/queries.ts';
import { changeGroup, createGroup, removeGroup } from './commands.ts';

type GroupOperation = 'createGroup' | 'listGroups' | 'getGroup' | 'updateGroup' | 'deleteGroup';

/** Groups of users. */
export const groupFeature = { routes: groupRoutes };

function groupRoutes({ store }: { readonly store: Store }): Handlers<GroupOperation> {
  return {
    createGroup: { write: async (tx, _context, { body }) => getGroup(tx.scoped, await createGroup(tx, body)) },
    listGroups: {
      read: ({ tenant }, { query }) =>
        store.read(async (db) => ({ body: await listGroups(scoped(db, tenant), query) })),
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
