import { scoped } from '../../db/scoped.ts';
import type { Store } from '../../db/store.ts';
import type { Handlers } from '../../http/handlers.ts';
import { existingRole, listRoles } from '../../objects/roles/queries.ts';
import type { UserQueries } from '../../objects/users/queries.ts';
import { takeRole } from '../users/roles.ts';

export interface RoleRouteDeps {
  readonly store: Store;
  readonly users: Pick<UserQueries, 'withRole'>;
}

export function roleRoutes({
  store,
  users,
}: RoleRouteDeps): Handlers<'listRoles' | 'getRole' | 'listRoleUsers' | 'removeUserRole'> {
  return {
    listRoles: { read: async ({ tenant }) => ({ body: await listRoles(scoped(store.db, tenant)) }) },
    getRole: {
      read: async ({ tenant }, { params }) => ({ body: await existingRole(scoped(store.db, tenant), params.id) }),
    },
    listRoleUsers: {
      read: ({ tenant }, { params, query }) =>
        store.read(async (db) => ({
          body: await users.withRole(scoped(db, tenant), params.id, query.groups === 'true'),
        })),
    },
    removeUserRole: {
      write: async (tx, context, { params }) => {
        await takeRole(tx, context, params.userId, params.id);
        return { body: undefined };
      },
    },
  };
}
