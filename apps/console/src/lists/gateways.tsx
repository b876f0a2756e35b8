import type { GatewaySummary } from '@sallyport/contract';
import { UpgradeDialog } from '../forms/upgrade-dialog.tsx';
import { Ago, Status } from '../kit/kit.tsx';
import type { ListDefinition } from '../list/definition.ts';
import { GatewayObject } from '../pages/gateway-object.tsx';
import { addedColumn } from './added.tsx';
import { gatewayMeanings, gatewayWords, isUpgradable } from './meanings.ts';

const withIntent =
  (intent: 'ACTIVE' | 'MAINTENANCE') =>
  ({ id, name, wireguardPort }: GatewaySummary) => ({
    method: 'PATCH',
    path: `/tenants/gateways/${id}`,
    body: { name, wireguardPort, intent },
  });

/** Gateways of the tenant. */
export const gatewayList: ListDefinition<GatewaySummary> = {
  kind: 'gateway',
  operation: 'listGateways',
  path: '/tenants/gateways',
  always: 'fields=summary',
  one: 'gateway',
  many: 'gateways',
  command: 'gateways',
  searchable: true,
  nameOf: ({ name }) => name,
  columns: [
    { key: 'name', head: 'Name', least: 130, grow: 2, sort: 'name', cell: ({ name }) => name },
    {
      key: 'status',
      head: 'Status',
      least: 170,
      grow: 0,
      sort: 'status',
      cell: ({ status }) => <Status meaning={gatewayMeanings[status]}>{gatewayWords[status]}</Status>,
    },
    {
      key: 'why',
      head: 'Why',
      least: 140,
      grow: 2,
      cell: ({ error }) => (error === undefined ? '' : <span title={error}>{error}</span>),
    },
    {
      key: 'endpoint',
      head: 'Endpoint',
      least: 150,
      grow: 2,
      cell: ({ endpoint, discoveredEndpoint }) => endpoint ?? discoveredEndpoint ?? <span className="muted">none</span>,
    },
    {
      key: 'labels',
      head: 'Labels',
      least: 130,
      cell: ({ labels = [] }) => <span title={labels.join(', ')}>{labels.join(', ')}</span>,
    },
    {
      key: 'resources',
      head: 'Resources',
      least: 110,
      grow: 0,
      end: true,
      cell: ({ resourceCount }) => resourceCount.toLocaleString('en'),
    },
    {
      key: 'lastOnline',
      head: 'Last online',
      least: 130,
      grow: 0,
      end: true,
      sort: 'lastOnline',
      cell: ({ lastOnline }) => <Ago at={lastOnline} />,
    },
    {
      key: 'relay',
      head: 'Relay',
      least: 80,
      grow: 0,
      optional: true,
      cell: ({ relayEnabled }) => (relayEnabled === true ? 'yes' : ''),
    },
    addedColumn,
  ],
  filters: [
    { field: 'label', label: 'Label', example: 'eu', whole: true },
    { field: 'status', label: 'Status', choices: gatewayWords },
    { field: 'name', label: 'Name' },
  ],
  bulk: [
    { verb: 'Drain', fits: ({ intent }) => intent !== 'MAINTENANCE', write: withIntent('MAINTENANCE') },
    { verb: 'End maintenance', fits: ({ intent }) => intent !== 'ACTIVE', write: withIntent('ACTIVE') },
    {
      verb: 'Upgrade',
      fits: isUpgradable,
      why: 'They have this version, wait for it, or run on hosts that do not let the controller upgrade them.',
      Dialog: ({ rows, ...rest }) => <UpgradeDialog gateways={rows} {...rest} />,
    },
    { verb: 'Delete', danger: true, write: ({ id }) => ({ method: 'DELETE', path: `/tenants/gateways/${id}` }) },
  ],
  labels: {
    of: ({ labels = [] }) => labels,
    write: ({ id, name, wireguardPort }, labels) => ({
      method: 'PATCH',
      path: `/tenants/gateways/${id}`,
      body: { name, wireguardPort, labels },
    }),
  },
  empty: {
    title: 'No gateway yet',
    text: 'A gateway runs on a host in your network. Devices reach the resources behind it through WireGuard.',
  },
  Panel: ({ id }) => <GatewayObject id={id} page={`/gateways/${id}`} />,
};
