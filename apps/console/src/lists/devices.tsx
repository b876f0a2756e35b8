import type { DeviceSummary } from '@sallyport/contract';
import { Ago, Status } from '../kit/kit.tsx';
import type { ListDefinition } from '../list/definition.ts';
import { DeviceObject } from '../pages/device.tsx';
import { addedColumn } from './added.tsx';
import { deviceMeanings } from './meanings.ts';

const kinds = { NATIVE: 'Client', PLAIN: 'WireGuard app' };

/** Devices of the tenant. */
export const deviceList: ListDefinition<DeviceSummary> = {
  kind: 'device',
  operation: 'listDevices',
  path: '/tenants/devices',
  always: 'fields=summary',
  one: 'device',
  many: 'devices',
  command: 'devices',
  searchable: true,
  nameOf: ({ name }) => name,
  columns: [
    { key: 'name', head: 'Name', least: 160, grow: 2, sort: 'name', cell: ({ name }) => name },
    {
      key: 'status',
      head: 'Status',
      least: 120,
      grow: 0,
      sort: 'status',
      cell: ({ status }) => <Status meaning={deviceMeanings[status]}>{status}</Status>,
    },
    {
      key: 'owner',
      head: 'Owner',
      least: 160,
      grow: 2,
      sort: 'user.email',
      cell: ({ user }) => user?.email ?? <span className="muted">none</span>,
    },
    {
      key: 'address',
      head: 'Address',
      least: 130,
      cell: ({ overlayAddresses }) => <span className="num">{overlayAddresses?.[0] ?? ''}</span>,
    },
    {
      key: 'labels',
      head: 'Labels',
      least: 130,
      cell: ({ labels = [] }) => <span title={labels.join(', ')}>{labels.join(', ')}</span>,
    },
    {
      key: 'lastConnection',
      head: 'Last connection',
      least: 140,
      grow: 0,
      end: true,
      sort: 'lastConnection',
      cell: ({ lastConnection }) => <Ago at={lastConnection} />,
    },
    {
      key: 'kind',
      head: 'Kind',
      least: 130,
      grow: 0,
      sort: 'kind',
      cell: ({ kind }) => (kind === undefined ? '' : kinds[kind]),
    },
    {
      key: 'appVersion',
      head: 'Version',
      least: 100,
      optional: true,
      sort: 'appVersion',
      cell: ({ appVersion }) => appVersion ?? '',
    },
    {
      key: 'sourceIp',
      head: 'Source',
      least: 130,
      optional: true,
      cell: ({ sourceIp, country }) => [sourceIp, country].filter(Boolean).join(' '),
    },
    addedColumn,
  ],
  filters: [
    { field: 'label', label: 'Label', example: 'eu', whole: true },
    { field: 'status', label: 'Status', choices: { Online: 'Online', Offline: 'Offline', Deactivated: 'Deactivated' } },
    { field: 'kind', label: 'Kind', choices: kinds },
    { field: 'user.email', label: 'Owner', example: 'anna@' },
    { field: 'appVersion', label: 'Version', example: '0.2' },
    { field: 'name', label: 'Name' },
  ],
  bulk: [
    {
      verb: 'Deactivate',
      danger: true,
      fits: ({ active }) => active,
      write: ({ id }) => ({ method: 'PATCH', path: `/tenants/devices/${id}/deactivate` }),
    },
    { verb: 'Delete', danger: true, write: ({ id }) => ({ method: 'DELETE', path: `/tenants/devices/${id}` }) },
  ],
  labels: {
    of: ({ labels = [] }) => labels,
    write: ({ id, name }, labels) => ({ method: 'PATCH', path: `/tenants/devices/${id}`, body: { name, labels } }),
  },
  empty: {
    title: 'No device yet',
    text: 'A laptop, phone or server that connects through WireGuard. Adding one takes a minute.',
  },
  Panel: ({ id }) => <DeviceObject id={id} page={`/devices/${id}`} />,
};
