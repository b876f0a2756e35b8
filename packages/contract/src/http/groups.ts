import { z } from 'zod';
import { bounded, list } from '../bounds.ts';
import { description, type Filters, id, name, pageQuery, paginated, ref, text, timestamp } from './common.ts';
import { Role } from './roles.ts';

const writable = {
  name,
  description: description.nullish(),
  roles: list(ref, 100),
  maxDevices: z.int().min(0).max(10_000).optional().describe('Maximum number of devices per member; 5 by default'),
  isSamlDefaultGroup: z.boolean().optional(),
  idpMapping: list(text(200, 1), 100).optional().describe('Names of groups at the identity provider'),
};

/** Request body that creates a group. */
export const CreateGroup = z.strictObject(writable).meta({ id: 'CreateGroup' });

/** Request body that changes a group. Absent fields stay. */
export const UpdateGroup = z.strictObject(writable).meta({ id: 'UpdateGroup' });

/** A member of a group as answers carry it. */
export const GroupUser = z
  .object({
    id,
    createdAt: timestamp.describe('When the user joined the group'),
    updatedAt: timestamp,
    firstName: z.string().optional(),
    lastName: z.string().optional(),
    email: z.string().optional(),
    provider: id
      .optional()
      .describe('Sign-in provider that the membership comes from; left out: administrators added the user'),
  })
  .meta({ id: 'GroupUser' });

/** A group as answers carry it. */
export const Group = z
  .object({
    id,
    createdAt: timestamp,
    updatedAt: timestamp,
    name: z.string(),
    description: z.string().optional(),
    roles: z.array(Role),
    deleteable: z.boolean(),
    users: z.array(GroupUser),
    maxDevices: z.number(),
    isSamlDefaultGroup: z.boolean(),
    idpMapping: z.array(z.string()),
  })
  .meta({ id: 'Group' });
export type Group = z.infer<typeof Group>;

/** Fields of a group that a request may repeat and that are ignored. */
export const groupReadOnly = ['id', 'createdAt', 'updatedAt', 'deleteable', 'users'] as const;

/** A page of groups. */
export const GroupPage = paginated(Group).meta({ id: 'GroupPage' });

/** A group as a table shows it. */
export const GroupSummary = Group.omit({ roles: true, users: true, idpMapping: true })
  .extend({ roleNames: z.array(z.string()).describe('Highest first'), userCount: z.int() })
  .meta({ id: 'GroupSummary' });
export type GroupSummary = z.infer<typeof GroupSummary>;

/** A page of groups as a table shows them. */
export const GroupSummaryPage = paginated(GroupSummary).meta({ id: 'GroupSummaryPage' });

/** Fields that lists of groups can be sorted by. `filter[...]` parameters are parsed separately. */
export const groupSortFields = ['id', 'name', 'createdAt', 'updatedAt', 'maxDevices'] as const;

/** Query of the list of groups. */
export const groupQuery = bounded(z.looseObject(pageQuery(groupSortFields)), 100, 'has too many parameters');

/** Fields that lists of groups can be filtered by. */
export const groupFilters = { id: 'id', name: 'text', 'roles.id': 'id', 'users.id': 'id' } as const satisfies Filters;
