import { scoped } from '../../db/scoped.ts';
import type { Store } from '../../db/store.ts';
import type { Handlers } from '../../http/handlers.ts';
import type { PeopleQueries } from '../../objects/people/queries.ts';
import { existingRole, listRoles } from '../../objects/roles/queries.ts';

/** What the operations on roles need. */
export interface RoleRouteDeps {
  readonly store: Store;
  readonly people: Pick<PeopleQueries, 'withRole'>;
}

/** Roles and who has them. */
export const roleFeature = { routes: roleRoutes };

function roleRoutes({ store, people }: RoleRouteDeps): Handlers<'listRoles' | 'getRole' | 'listRoleUsers'> {
  return {
    listRoles: { read: async ({ tenant }) => ({ body: await listRoles(scoped(store.db, tenant)) }) },
    getRole: {
      read: async ({ tenant }, { params }) => ({ body: await existingRole(scoped(store.db, tenant), params.id) }),
    },
    listRoleUsers: {
      read: ({ tenant }, { params, query }) =>
        store.read(async (db) => ({
          body: await people.withRole(scoped(db, tenant), params.id, query.groups === 'true'),
        })),
    },
  };
}
