import type { Group, Role, User } from '@sallyport/contract';
import type { Client } from '../client.ts';
import { defaults, flag, isRecord, kept, Misfit, orNull, refs, required, text, texts, wholeNumber } from './fields.ts';
import { type Family, type GroupItem, type Live, type Request, request, touches, type UserItem } from './items.ts';

/** Reads and writes groups. */
export const groupFamily: Family<GroupItem> = {
  word: 'group',
  fields: {
    name: required(text),
    description: defaults(text, ''),
    roles: defaults(refs('roles'), []),
    maxDevices: defaults(wholeNumber, 5),
    isSamlDefaultGroup: defaults(flag, false),
    idpMapping: defaults(texts, []),
  },
  fixed: [],
  showsBuiltIn: true,
  nameOf: ({ name }) => name,
  keyOf: ({ name }) => name,
  read: async (api, id) => {
    const { body, etag } = await api.call('getGroup', { params: { id } });
    return { live: liveGroup(body), etag };
  },
  create: (item) => request('createGroup', { body: groupBody(item) }),
  finish: () => [],
  // One group is always the SAML default. It loses the default only when another group takes it.
  change: (id, before, after) => {
    const isSamlDefaultGroup = before.isSamlDefaultGroup || after.isSamlDefaultGroup;
    return [request('updateGroup', { params: { id }, body: groupBody({ ...after, isSamlDefaultGroup }) })];
  },
  inOrder: (all, problems) => {
    const chosen = all.filter(({ declared }) => declared.item.isSamlDefaultGroup);
    const deposed = all.find(
      ({ declared, live }) => live?.item.isSamlDefaultGroup && !declared.item.isSamlDefaultGroup,
    );
    const wrong = chosen[1] ?? (chosen.length === 0 ? deposed : undefined);
    if (wrong !== undefined)
      problems.push({
        line: wrong.declared.lineOf('isSamlDefaultGroup'),
        message: `group ${JSON.stringify(wrong.declared.item.name)}: isSamlDefaultGroup must be true for one group exactly`,
      });
    return [...all.filter((match) => !chosen.includes(match)), ...chosen];
  },
  remove: (id) => request('deleteGroup', { params: { id } }),
};

/** Converts a group of the API. */
export function liveGroup(g: Group): Live<GroupItem> {
  const { id, name, description = '', maxDevices, isSamlDefaultGroup, idpMapping } = g;
  const roles = g.roles.map((role) => role.id);
  return { id, item: { name, description, roles, maxDevices, isSamlDefaultGroup, idpMapping }, builtIn: !g.deleteable };
}

const groupBody = (item: GroupItem) => ({ ...item, description: item.description || null });

type Attributes = NonNullable<UserItem['attributes']>;

/** Reads and writes users. */
export const userFamily: Family<UserItem> = {
  word: 'user',
  fields: {
    email: required(text),
    groups: defaults(refs('groups'), []),
    roles: defaults(refs('roles'), []),
    active: defaults(flag, true),
    firstName: kept(orNull(text)),
    lastName: kept(orNull(text)),
    image: kept(orNull(text)),
    department: kept(orNull(text)),
    attributes: kept<Attributes>({
      read: readAttributes,
      canonical: (value) => Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1)),
    }),
    maxDevices: kept(orNull(wholeNumber)),
  },
  fixed: [],
  showsBuiltIn: true,
  nameOf: ({ email }) => email,
  keyOf: ({ email }) => email.toLowerCase(),
  read: async (api, id) => {
    const { body, etag } = await api.call('getUser', { params: { id } });
    return { live: liveUser(body, await ownRoles(api, id)), etag };
  },
  create: ({ email, groups }) => request('createUsers', { body: { email, groups } }),
  finish: (id, item) => [
    ...(Object.values(profile(item)).some((value) => value !== undefined && value !== null) ? [update(id, item)] : []),
    ...roleChange(id, [], item.roles),
    ...(item.active ? [] : [request('deactivateUser', { params: { id } })]),
  ],
  change: (id, before, after, changed) => [
    ...(touches(changed, 'firstName', 'lastName', 'image', 'department', 'attributes', 'maxDevices')
      ? [update(id, after)]
      : []),
    ...groupChange(id, before.groups, after.groups),
    ...roleChange(id, before.roles, after.roles),
    ...(changed.has('active') ? [request(after.active ? 'reactivateUser' : 'deactivateUser', { params: { id } })] : []),
  ],
  remove: (id) => request('deleteUser', { params: { id } }),
};

/**
 * Converts a user of the API. `own` holds the user's own roles, without roles of the groups. The owner role cannot be
 * assigned.
 */
export function liveUser(u: User, own: readonly Role[]): Live<UserItem> {
  const { firstName = null, lastName = null, image = null, department = null, attributes = {}, maxDevices } = u;
  const item = {
    email: u.email ?? '',
    groups: u.groups.map(({ id }) => id),
    roles: own.filter(({ type }) => type !== 'OWNER').map(({ id }) => id),
    active: u.status !== 'DEACTIVATED',
    ...{ firstName, lastName, image, department, attributes, maxDevices },
  };
  return { id: u.id, item, builtIn: u.isOwner };
}

/** Returns the user's own roles, without roles that come from groups. */
export async function ownRoles(api: Client, id: string): Promise<Role[]> {
  return (await api.call('listUserRoles', { params: { id }, query: { rolesOnly: 'true' } })).body;
}

function readAttributes(value: unknown): Attributes {
  if (!isRecord(value)) throw new Misfit('must be a map of names and values');
  const entries = Object.entries(value).map(([key, entry]): [string, Attributes[string]] => {
    if (typeof entry === 'string' || typeof entry === 'number' || typeof entry === 'boolean') return [key, entry];
    if (Array.isArray(entry) && entry.every((part) => typeof part === 'string')) return [key, entry];
    throw new Misfit('must be text, a number, true, false, or a list of texts', [key]);
  });
  return Object.fromEntries(entries);
}

const profile = ({ firstName, lastName, image, department, attributes, maxDevices }: UserItem) => ({
  firstName: firstName ?? null,
  lastName: lastName ?? null,
  image: image ?? null,
  department: department ?? null,
  attributes: attributes === undefined || Object.keys(attributes).length === 0 ? null : attributes,
  maxDevices: maxDevices ?? null,
});

const update = (id: string, item: UserItem): Request => request('updateUser', { params: { id }, body: profile(item) });

/** Returns the requests of a change of groups. Additions come first, because a user is always in a group. */
function groupChange(id: string, before: readonly string[], after: readonly string[]): Request[] {
  const added = after.filter((group) => !before.includes(group));
  const removed = before.filter((group) => !after.includes(group));
  return [
    ...added.map((groupId) => request('addUserGroup', { params: { id }, body: { groupId } })),
    ...removed.map((groupId) => request('removeUserGroup', { params: { id, groupId } })),
  ];
}

function roleChange(id: string, before: readonly string[], after: readonly string[]): Request[] {
  const addedRoles = after.filter((role) => !before.includes(role));
  const removedRoles = before.filter((role) => !after.includes(role));
  if (addedRoles.length + removedRoles.length === 0) return [];
  return [request('updateUserRoles', { params: { id }, body: { addedRoles, removedRoles } })];
}
