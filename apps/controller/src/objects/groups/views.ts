import type { Group, PolicyGroup, Role, User } from '@sallyport/contract';
import type { z } from 'zod';
import { decodeJson } from '../../db/json.ts';
import type { GroupRow, membersOf } from './store.ts';

/** A group as policies carry it. */
export type NestedGroup = z.infer<typeof PolicyGroup>;
/** A group as users carry it. */
export type UserGroup = User['groups'][number];

/** Returns a group in the form of answers. */
export function groupView(row: GroupRow, roles: readonly Role[], users: Group['users']): Group {
  return {
    ...userGroupView(row),
    roles: [...roles],
    deleteable: row.is_default === 0,
    users,
    maxDevices: row.max_devices,
    isSamlDefaultGroup: row.is_saml_default === 1,
    idpMapping: decodeJson<string[]>(row.idp_mapping),
  };
}

/** Returns a group in the form that policies show. */
export const nestedGroupView = (row: GroupRow): NestedGroup => ({
  ...userGroupView(row),
  maxDevices: row.max_devices,
  isSamlDefaultGroup: row.is_saml_default === 1,
  idpMapping: decodeJson<string[]>(row.idp_mapping),
});

/** Returns a group in the form that users show. */
export const userGroupView = (row: GroupRow): UserGroup => ({
  id: row.id,
  createdAt: iso(row.created_at),
  updatedAt: iso(row.updated_at),
  name: row.name,
  ...(row.description === null ? {} : { description: row.description }),
});

type MemberRow = Awaited<ReturnType<typeof membersOf>>[number];

/** Returns a member in the form that groups show. `createdAt` is when the user joined. */
export const memberView = (row: MemberRow): Group['users'][number] => ({
  id: row.id,
  createdAt: iso(row.joined_at),
  updatedAt: iso(row.updated_at),
  email: row.email,
  ...(row.first_name === null ? {} : { firstName: row.first_name }),
  ...(row.last_name === null ? {} : { lastName: row.last_name }),
  ...(row.provider_id === null ? {} : { provider: row.provider_id }),
});

const iso = (at: number): string => new Date(at).toISOString();
