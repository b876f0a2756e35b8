import type { UserSummary } from '@sallyport/contract';
import { Ago, Status } from '../kit/kit.tsx';
import type { ListDefinition } from '../list/definition.ts';
import { UserObject } from '../pages/user.tsx';
import { userMeanings, userWords } from './meanings.ts';

/** Names of roles, as the glossary has them. */
const roleWords = {
  OWNER: 'Owner',
  ADMIN: 'Administrator',
  AUDITOR: 'Auditor',
  SUPPORT: 'Support',
  BILLING: 'Billing',
  BASIC: 'User',
  DEFAULT: 'User',
} as const;

/** Users of the tenant. */
export const userList: ListDefinition<UserSummary> = {
  kind: 'user',
  operation: 'listUsers',
  path: '/tenants/users',
  always: 'fields=summary',
  one: 'user',
  many: 'users',
  command: 'users',
  searchable: true,
  nameOf: ({ email, id }) => email ?? id,
  columns: [
    { key: 'email', head: 'E-mail address', least: 150, grow: 2, sort: 'email', cell: ({ email, id }) => email ?? id },
    {
      key: 'status',
      head: 'Status',
      least: 150,
      grow: 0,
      sort: 'status',
      cell: ({ status }) => <Status meaning={userMeanings[status]}>{userWords[status]}</Status>,
    },
    {
      key: 'name',
      head: 'Name',
      least: 130,
      sort: 'firstName',
      cell: ({ firstName, lastName }) => [firstName, lastName].filter(Boolean).join(' '),
    },
    {
      key: 'role',
      head: 'Role',
      least: 120,
      grow: 0,
      cell: ({ role }) => (role === undefined ? '' : roleWords[role]),
    },
    { key: 'groups', head: 'Groups', least: 90, grow: 0, end: true, cell: ({ groupCount }) => groupCount },
    { key: 'devices', head: 'Devices', least: 90, grow: 0, end: true, cell: ({ deviceCount }) => deviceCount },
    {
      key: 'lastConnection',
      head: 'Last connection',
      least: 150,
      grow: 0,
      end: true,
      sort: 'lastConnection',
      cell: ({ lastConnection }) => <Ago at={lastConnection} />,
    },
    {
      key: 'department',
      head: 'Department',
      least: 130,
      optional: true,
      cell: ({ department }) => department ?? '',
    },
  ],
  filters: [
    { field: 'status', label: 'Status', choices: userWords },
    { field: 'email', label: 'E-mail address', example: '@example.com' },
    { field: 'department', label: 'Department' },
  ],
  bulk: [
    {
      verb: 'Deactivate',
      danger: true,
      fits: ({ status, isOwner }) => status !== 'DEACTIVATED' && !isOwner,
      write: ({ id }) => ({ method: 'PATCH', path: `/tenants/users/${id}/deactivate` }),
    },
    {
      verb: 'Delete',
      danger: true,
      fits: ({ isOwner }) => !isOwner,
      write: ({ id }) => ({ method: 'DELETE', path: `/tenants/users/${id}` }),
    },
  ],
  empty: { title: 'No user yet', text: 'People who own devices, and who sign in to this console.' },
  Panel: ({ id }) => <UserObject id={id} page={`/users/${id}`} />,
};
