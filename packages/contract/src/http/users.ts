import { z } from 'zod';
import { bounded, list } from '../bounds.ts';
import { roleType } from './api-keys.ts';
import { type Filters, id, pageQuery, paginated, ref, text, timestamp } from './common.ts';
import { Device } from './devices.ts';
import { Role } from './roles.ts';

/** An e-mail address. The part before `@` has 64 characters at most (RFC 5321, section 4.5.3.1). */
export const email = z
  .email()
  .max(254)
  .refine((address) => address.lastIndexOf('@') <= 64, 'must have at most 64 characters before @');
const userStatus = z.enum(['ACTIVE', 'INVITED', 'EXPIRED', 'DEACTIVATED']);

/** Attributes of a user that admission rules can read, such as `user.attributes.department`. */
const userAttributes = bounded(
  z.record(
    z.string().regex(/^[A-Za-z_][A-Za-z0-9_]{0,63}$/),
    z.union([z.string().max(1000), z.number(), z.boolean(), list(z.string().max(1000), 1000)]),
  ),
  100,
  'must have at most 100 attributes',
);

/** Request body that creates a user. */
export const CreateUser = z
  .strictObject({ email, groups: list(ref, 100).describe('Groups of the user; empty: the default group') })
  .meta({ id: 'CreateUser' });

/** One user, or a list of 1 to 100 users. The controller creates all of a list or none. */
export const CreateUsers = z.union([CreateUser, list(CreateUser, 100).min(1)]);

/** Request body that changes a user. Absent fields stay. */
export const UpdateUser = z
  .strictObject({
    firstName: text(120).nullish(),
    lastName: text(120).nullish(),
    image: text(2000).nullish().describe('URL or path of an image'),
    department: text(120).nullish(),
    attributes: userAttributes.nullish(),
    maxDevices: z
      .int()
      .min(0)
      .max(10_000)
      .nullish()
      .describe('Maximum number of devices; null: the user has no individual limit'),
  })
  .meta({ id: 'UpdateUser' });

/** Request body that sets the roles of a user. */
export const UpdateUserRoles = z
  .strictObject({ addedRoles: list(ref, 100), removedRoles: list(ref, 100) })
  .meta({ id: 'UpdateUserRoles' });

/** Request body that adds a user to a group. */
export const AddUserGroup = z.strictObject({ groupId: id }).meta({ id: 'AddUserGroup' });

/** A group of a user as answers carry it. */
export const UserGroup = z
  .object({ id, createdAt: timestamp, updatedAt: timestamp, name: z.string(), description: z.string().optional() })
  .meta({ id: 'UserGroup' });

/** A user as answers carry it. */
export const User = z
  .object({
    id,
    createdAt: timestamp,
    updatedAt: timestamp,
    lastConnection: timestamp.optional(),
    email: z.string().optional(),
    status: userStatus,
    firstName: z.string().optional(),
    lastName: z.string().optional(),
    isOwner: z.boolean(),
    maxDevices: z.number().nullable(),
    image: z.string().optional(),
    department: z.string().optional(),
    attributes: userAttributes.optional(),
    roles: z.array(Role),
    groups: z.array(UserGroup),
    devices: z.array(Device),
  })
  .meta({ id: 'User' });
export type User = z.infer<typeof User>;

/** Fields of a user that a request may repeat and that are ignored. */
export const userReadOnly = [
  'id',
  'createdAt',
  'updatedAt',
  'lastConnection',
  'email',
  'status',
  'isOwner',
  'roles',
  'groups',
  'devices',
] as const;

/** A page of users. */
export const UserPage = paginated(User).meta({ id: 'UserPage' });

/** A user as a table shows it. */
export const UserSummary = User.omit({
  image: true,
  attributes: true,
  roles: true,
  groups: true,
  devices: true,
})
  .extend({
    role: roleType.optional().describe('The highest of the user, also when a group gives it'),
    groupCount: z.int(),
    deviceCount: z.int(),
  })
  .meta({ id: 'UserSummary' });
export type UserSummary = z.infer<typeof UserSummary>;

/** A page of users as a table shows them. */
export const UserSummaryPage = paginated(UserSummary).meta({ id: 'UserSummaryPage' });

/** Fields that lists of users can be sorted by. `filter[...]` parameters are parsed separately. */
export const userSortFields = [
  'id',
  'email',
  'createdAt',
  'updatedAt',
  'lastConnection',
  'firstName',
  'lastName',
  'status',
] as const;

/** Query of the list of users. */
export const userQuery = bounded(z.looseObject(pageQuery(userSortFields)), 100, 'has too many parameters');

/** Fields that lists of users can be filtered by. `roles.id` matches roles set on the user or inherited from a group. */
export const userFilters = {
  id: 'id',
  email: 'text',
  firstName: 'text',
  lastName: 'text',
  department: 'text',
  status: userStatus.options,
  'groups.id': 'id',
  'roles.id': 'id',
  'devices.id': 'id',
} as const satisfies Filters;
