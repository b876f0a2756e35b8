import type { AuditEvent } from '@sallyport/contract';
import { Ago } from '../kit/kit.tsx';
import { words } from '../kit/text.ts';
import type { ListDefinition } from '../list/definition.ts';
import { EventObject } from '../pages/event.tsx';

const kinds = [
  'gateway',
  'device',
  'resource',
  'policy',
  'admission-rule',
  'user',
  'group',
  'api-key',
  'enrolment-key',
  'tenant',
];

/** Events of the audit trail. */
export const auditList: ListDefinition<AuditEvent> = {
  kind: 'audit',
  operation: 'listAuditEvents',
  path: '/tenants/audit-events',
  always: '',
  one: 'event',
  many: 'events',
  command: 'audit',
  searchable: false,
  plainFilters: true,
  nameOf: ({ action, at }) => `${words(action)}, ${new Date(at).toLocaleString()}`,
  columns: [
    { key: 'action', head: 'What', least: 150, grow: 2, cell: ({ action }) => words(action) },
    { key: 'at', head: 'When', least: 110, grow: 0, cell: ({ at }) => <Ago at={at} /> },
    {
      key: 'object',
      head: 'Object',
      least: 160,
      grow: 2,
      cell: ({ object }) => <span title={object.id}>{object.name ?? object.kind}</span>,
    },
    { key: 'who', head: 'Who', least: 150, grow: 2, cell: ({ actor }) => <span title={actor.kind}>{actor.name}</span> },
    { key: 'from', head: 'From', least: 130, cell: ({ sourceIp }) => <span className="num">{sourceIp ?? ''}</span> },
    { key: 'kind', head: 'Kind', least: 120, optional: true, cell: ({ object }) => object.kind.replaceAll('-', ' ') },
  ],
  filters: [
    {
      field: 'kind',
      label: 'Kind of object',
      choices: Object.fromEntries(kinds.map((kind) => [kind, kind.replaceAll('-', ' ')])),
      noNot: true,
      single: true,
    },
    { field: 'actor', label: 'Who', example: 'anna@example.com', whole: true, noNot: true },
    { field: 'action', label: 'What', example: 'deletePolicy', whole: true, noNot: true },
    { field: 'object', label: 'Id of the object', whole: true, noNot: true },
    { field: 'from', label: 'From', example: '2026-11-01T00:00:00Z', whole: true, noNot: true },
    { field: 'to', label: 'Until', example: '2026-11-30T00:00:00Z', whole: true, noNot: true },
  ],
  bulk: [],
  empty: { title: 'No event yet', text: 'Every change and every sign-in makes one.' },
  Panel: ({ row }) => <EventObject event={row} />,
};
