import type { Role, RoleType } from '@sallyport/contract';
import type { Scoped } from '../../db/scoped.ts';
import { notFound } from '../../errors.ts';
import type { FieldErrors } from '../../field-errors.ts';
import { allRoles, findRole, groupRoles, type RoleRow } from './store.ts';

/** Roles from the most to the least powerful. BASIC and DEFAULT are the same: a plain user. */
export const rankedRoles = [
  'OWNER',
  'ADMIN',
  'AUDITOR',
  'SUPPORT',
  'BILLING',
  'BASIC',
  'DEFAULT',
] as const satisfies readonly RoleType[];

/** Returns a role in the form of answers. All roles are built in. */
export const roleView = (row: RoleRow): Role => ({
  id: row.id,
  createdAt: new Date(row.created_at).toISOString(),
  updatedAt: new Date(row.updated_at).toISOString(),
  name: row.name,
  ...(row.description === null ? {} : { description: row.description }),
  deleteable: false,
  type: row.type,
});

/** Every role of the tenant, highest first. */
export async function listRoles(db: Scoped): Promise<Role[]> {
  return (await allRoles(db)).map(roleView).sort(byRank);
}

/** Every role of the tenant by id, highest first. */
export async function rolesById(db: Scoped): Promise<ReadonlyMap<string, Role>> {
  return new Map((await listRoles(db)).map((role) => [role.id, role]));
}

/** Returns a role, or throws `not_found`. */
export async function existingRole(db: Scoped, id: string): Promise<Role> {
  const row = await findRole(db, id);
  if (row === undefined) throw notFound();
  return roleView(row);
}

/** Ids of the roles that groups give to their members, by the group's id. */
export async function rolesOfGroups(
  db: Scoped,
  groups: readonly string[],
): Promise<ReadonlyMap<string, readonly string[]>> {
  const byGroup = Map.groupBy(await groupRoles(db, groups), ({ group_id }) => group_id);
  return new Map([...byGroup].map(([group, rows]) => [group, rows.map(({ role_id }) => role_id)]));
}

/** Adds to `errors` what is wrong with the roles of a request. Returns their ids in lower case, each once. */
export function checkGivenRoles(
  known: ReadonlyMap<string, Role>,
  given: readonly string[],
  pointer: string,
  errors: FieldErrors,
): string[] {
  const ids = given.map((id) => id.toLowerCase());
  for (const [i, id] of ids.entries()) {
    const role = known.get(id);
    if (role === undefined) errors.add(`${pointer}/${i}`, 'is not the id of a role', 'invalid_reference');
    else if (role.type === 'OWNER') errors.add(`${pointer}/${i}`, 'is the role OWNER, which cannot be assigned');
  }
  return [...new Set(ids)];
}

/** Highest first. */
export const byRank = (a: Role, b: Role): number => rankedRoles.indexOf(a.type) - rankedRoles.indexOf(b.type);
