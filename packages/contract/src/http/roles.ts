import { z } from 'zod';
import { roleType } from './api-keys.ts';
import { id, timestamp } from './common.ts';

/** A role as answers carry it. All roles are built in. */
export const Role = z
  .object({
    id,
    createdAt: timestamp,
    updatedAt: timestamp,
    name: z.string(),
    description: z.string().optional(),
    deleteable: z.boolean(),
    type: roleType,
  })
  .meta({ id: 'Role' });
export type Role = z.infer<typeof Role>;

const flag = z.enum(['true', 'false']).optional();

/** Query of the roles of a user. `rolesOnly`: only roles set on the user. `groupsOnly`: only roles inherited from groups. */
export const userRolesQuery = z.strictObject({ rolesOnly: flag, groupsOnly: flag });

/** Query of the users of a role. `groups`: include users who have the role through a group. */
export const roleUsersQuery = z.strictObject({ groups: flag });
