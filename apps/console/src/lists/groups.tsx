import type { GroupSummary } from '@sallyport/contract';
import type { ListDefinition } from '../list/definition.ts';
import { GroupObject } from '../pages/group.tsx';

/** Groups of the tenant. */
export const groupList: ListDefinition<GroupSummary> = {
  kind: 'group',
  operation: 'listGroups',
  path: '/tenants/groups',
  always: 'fields=summary',
  one: 'group',
  many: 'groups',
  command: 'groups',
  searchable: true,
  nameOf: ({ name }) => name,
  columns: [
    { key: 'name', head: 'Name', least: 160, grow: 2, sort: 'name', cell: ({ name }) => name },
    { key: 'members', head: 'Members', least: 100, grow: 0, end: true, cell: ({ userCount }) => userCount },
    { key: 'roles', head: 'Roles', least: 130, cell: ({ roleNames }) => roleNames.join(', ') },
    {
      key: 'description',
      head: 'Description',
      least: 160,
      grow: 2,
      cell: ({ description }) => <span title={description}>{description ?? ''}</span>,
    },
    {
      key: 'maxDevices',
      head: 'Devices per member',
      least: 170,
      grow: 0,
      end: true,
      sort: 'maxDevices',
      cell: ({ maxDevices }) => maxDevices,
    },
  ],
  filters: [{ field: 'name', label: 'Name' }],
  bulk: [
    {
      verb: 'Delete',
      danger: true,
      fits: ({ deleteable }) => deleteable,
      write: ({ id }) => ({ method: 'DELETE', path: `/tenants/groups/${id}` }),
    },
  ],
  empty: { title: 'No group yet', text: 'Groups give roles, and policies are written about them.' },
  Panel: ({ id }) => <GroupObject id={id} page={`/groups/${id}`} />,
};
