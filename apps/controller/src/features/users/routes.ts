import { operations } from '@sallyport/contract';
import { scoped } from '../../db/scoped.ts';
import type { Store, Tx } from '../../db/store.ts';
import { type Handlers, type RequestContext, summaryText } from '../../http/handlers.ts';
import type { Mail } from '../../mail/types.ts';
import type { PeopleQueries } from '../../objects/people/queries.ts';
import { mailInvitations } from '../../objects/sign-in/hand-over.ts';
import { type GivenUser, inviteUsers } from '../../objects/users/invite.ts';
import { userRoles } from '../../objects/users/queries.ts';
import { changeUser, deactivateUser, reactivateUser, removeUser, renewInvitation } from './commands.ts';
import { joinGroup, leaveGroup } from './memberships.ts';
import { transferOwnership } from './ownership.ts';
import { changeRoles, takeRole } from './roles.ts';

/** What the operations on users need. */
export interface UserRouteDeps {
  readonly store: Store;
  readonly people: PeopleQueries;
  readonly mail: Mail;
  readonly signInUrl: () => string;
}

type UserOperation =
  | 'createUsers'
  | 'listUsers'
  | 'getUser'
  | 'updateUser'
  | 'deleteUser'
  | 'deactivateUser'
  | 'reactivateUser'
  | 'inviteUser';
type BelongingOperation =
  | 'transferOwnership'
  | 'listUserRoles'
  | 'updateUserRoles'
  | 'removeUserRole'
  | 'addUserGroup'
  | 'removeUserGroup';

/** Users, their roles and groups. */
export const userFeature = { routes: userRoutes };

function userRoutes(deps: UserRouteDeps): Handlers<UserOperation | BelongingOperation> {
  return { ...ownRoutes(deps), ...belongingRoutes(deps) };
}

function ownRoutes(deps: UserRouteDeps): Handlers<UserOperation> {
  const { store, people } = deps;
  const answer = (tx: Tx, id: string) => people.get(tx.scoped, id);
  return {
    createUsers: { write: (tx, context, { body }) => invite(deps, tx, context, body) },
    listUsers: {
      read: ({ tenant }, { query }) =>
        store.read(async (db) => {
          const own = scoped(db, tenant);
          if (query.fields !== 'summary') return { body: await people.list(own, query) };
          return { body: summaryText(operations.listUsers, await people.summaries(own, query)) };
        }),
    },
    getUser: { read: ({ tenant }, { params }) => store.read((db) => people.get(scoped(db, tenant), params.id)) },
    updateUser: {
      write: async (tx, context, { params, body }) => {
        await changeUser(tx, context, params.id, body);
        return answer(tx, params.id);
      },
    },
    deleteUser: {
      write: async (tx, context, { params }) => {
        await removeUser(tx, context, params.id);
        return { body: undefined };
      },
    },
    deactivateUser: {
      write: async (tx, context, { params }) => {
        await deactivateUser(tx, context, params.id);
        return answer(tx, params.id);
      },
    },
    reactivateUser: {
      write: async (tx, context, { params }) => {
        await reactivateUser(tx, context, params.id);
        return answer(tx, params.id);
      },
    },
    inviteUser: {
      write: async (tx, context, { params }) => {
        await renewInvitation(tx, context, params.id);
        await mailInvitations(deps, tx, context, [params.id]);
        return { body: undefined };
      },
    },
  };
}

/** Roles and groups of a user. */
function belongingRoutes({ store }: UserRouteDeps): Handlers<BelongingOperation> {
  return {
    listUserRoles: {
      read: ({ tenant }, { params, query }) => {
        const [rolesOnly, groupsOnly] = [query.rolesOnly === 'true', query.groupsOnly === 'true'];
        // Both flags, or none, leave nothing out.
        const which =
          rolesOnly === groupsOnly ? { own: true, inherited: true } : { own: rolesOnly, inherited: groupsOnly };
        return store.read(async (db) => ({ body: await userRoles(scoped(db, tenant), params.id, which) }));
      },
    },
    transferOwnership: {
      write: async (tx, context, { params }) => {
        await transferOwnership(tx, context, params.id);
        return { body: undefined };
      },
    },
    updateUserRoles: {
      write: async (tx, context, { params, body }) => {
        await changeRoles(tx, context, params.id, body);
        return { body: undefined };
      },
    },
    removeUserRole: {
      write: async (tx, context, { params }) => {
        await takeRole(tx, context, params.userId, params.id);
        return { body: undefined };
      },
    },
    addUserGroup: {
      write: async (tx, context, { params, body }) => {
        await joinGroup(tx, context, params.id, body.groupId);
        return { body: undefined };
      },
    },
    removeUserGroup: {
      write: async (tx, context, { params }) => {
        await leaveGroup(tx, context, params.id, params.groupId);
        return { body: undefined };
      },
    },
  };
}

async function invite(deps: UserRouteDeps, tx: Tx, context: RequestContext, body: GivenUser | readonly GivenUser[]) {
  const [given, pointers] = isList(body) ? [body, body.map((_, i) => `/${i}`)] : [[body], ['']];
  const ids = await inviteUsers(tx, given, pointers);
  await mailInvitations(deps, tx, context, ids);
  const [id = ''] = ids;
  return isList(body) ? { body: await deps.people.several(tx.scoped, ids) } : deps.people.get(tx.scoped, id);
}

const isList = (body: GivenUser | readonly GivenUser[]): body is readonly GivenUser[] => Array.isArray(body);
