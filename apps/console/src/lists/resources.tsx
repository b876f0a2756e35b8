import type { ResourceSummary } from '@sallyport/contract';
import { Ago } from '../kit/kit.tsx';
import type { ListDefinition } from '../list/definition.ts';
import { ResourceObject, ResourceStatus } from '../pages/resource.tsx';

const types = { PRIVATE: 'Private', SAAS: 'SaaS', INTERNET: 'Internet' };

/** Resources of the tenant. */
export const resourceList: ListDefinition<ResourceSummary> = {
  kind: 'resource',
  operation: 'listResources',
  path: '/tenants/resources',
  always: 'fields=summary',
  one: 'resource',
  many: 'resources',
  command: 'resources',
  searchable: true,
  nameOf: ({ name }) => name,
  columns: [
    { key: 'name', head: 'Name', least: 150, grow: 2, sort: 'name', cell: ({ name }) => name },
    { key: 'status', head: 'Status', least: 140, grow: 2, cell: (resource) => <ResourceStatus resource={resource} /> },
    {
      key: 'addresses',
      head: 'Addresses',
      least: 180,
      grow: 2,
      cell: ({ address, addressCount }) =>
        addressCount > 1 ? `${address} and ${addressCount - 1} more` : (address ?? ''),
    },
    { key: 'gateways', head: 'Gateways', least: 100, grow: 0, end: true, cell: ({ gatewayCount }) => gatewayCount },
    {
      key: 'labels',
      head: 'Labels',
      least: 130,
      cell: ({ labels = [] }) => <span title={labels.join(', ')}>{labels.join(', ')}</span>,
    },
    { key: 'type', head: 'Type', least: 100, grow: 0, sort: 'type', cell: ({ type }) => types[type] },
    {
      key: 'updatedAt',
      head: 'Changed',
      least: 120,
      grow: 0,
      end: true,
      sort: 'updatedAt',
      cell: ({ updatedAt }) => <Ago at={updatedAt} />,
    },
  ],
  filters: [
    { field: 'label', label: 'Label', example: 'eu', whole: true },
    { field: 'status', label: 'Status', choices: { ONLINE: 'Reachable', OFFLINE: 'Offline' } },
    { field: 'type', label: 'Type', choices: types },
    { field: 'name', label: 'Name' },
  ],
  bulk: [{ verb: 'Delete', danger: true, write: ({ id }) => ({ method: 'DELETE', path: `/tenants/resources/${id}` }) }],
  empty: {
    title: 'No resource yet',
    text: 'One or more addresses in a network behind a gateway, such as a web server or a whole subnet.',
  },
  Panel: ({ id }) => <ResourceObject id={id} page={`/resources/${id}`} />,
};
