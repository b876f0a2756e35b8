import { selectIn } from '../../db/chunks.ts';
import type { Row } from '../../db/schema.ts';
import type { Scoped } from '../../db/scoped.ts';

/** A role as the database holds it. */
export type RoleRow = Row<'roles'>;

/** Returns every role. Each tenant has the same few. */
export const allRoles = (db: Scoped): Promise<RoleRow[]> => db.selectFrom('roles').selectAll().execute();

/** Returns a role; undefined when there is none with this id. */
export const findRole = (db: Scoped, id: string): Promise<RoleRow | undefined> =>
  db.selectFrom('roles').selectAll().where('id', '=', id).executeTakeFirst();

/** Returns the roles that groups give to their members. */
export const groupRoles = (db: Scoped, groups: readonly string[]) =>
  selectIn(groups, (part) =>
    db
      .selectFrom('group_roles')
      .select(['group_id', 'role_id'])
      .where('group_id', 'in', part)
      .orderBy('group_id')
      .orderBy('role_id')
      .execute(),
  );
