import type { RoleType } from '@sallyport/contract';
import type { Scoped } from '../../db/scoped.ts';
import { rankedRoles } from '../roles/queries.ts';

/**
 * Returns the role that a user acts with: the highest of those set on the user, else the highest of those that the user's
 * groups give (reference, 10.2). A user without any is a plain user.
 */
export async function roleInForce(db: Scoped, user: string, isOwner: boolean): Promise<RoleType> {
  if (isOwner) return 'OWNER';
  return highest(await ownRoles(db, user)) ?? highest(await rolesByGroups(db, user)) ?? 'BASIC';
}

const highest = (types: readonly { readonly type: RoleType }[]): RoleType | undefined =>
  rankedRoles.find((role) => types.some(({ type }) => type === role));

const ownRoles = (db: Scoped, user: string) =>
  db.run('own roles', [db.tenant, user], () =>
    db
      .selectFrom('user_roles')
      .innerJoin('roles', 'roles.id', 'user_roles.role_id')
      .select('roles.type')
      .where('user_roles.user_id', '=', user)
      .compile(),
  );

const rolesByGroups = (db: Scoped, user: string) =>
  db.run('roles by groups', [db.tenant, user], () =>
    db
      .selectFrom('group_members')
      .innerJoin('group_roles', 'group_roles.group_id', 'group_members.group_id')
      .innerJoin('roles', 'roles.id', 'group_roles.role_id')
      .select('roles.type')
      .where('group_members.user_id', '=', user)
      .compile(),
  );
