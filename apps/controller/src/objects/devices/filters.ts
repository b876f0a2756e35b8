import { deviceFilters as fields } from '@sallyport/contract';
import { compare, compareLabels, mentions } from '../../db/compare.ts';
import type { Scoped } from '../../db/scoped.ts';
import {
  deviceAppVersion,
  deviceEntryGateway,
  deviceKind,
  deviceOwner,
  deviceOwnerId,
  shownLabels,
} from '../../db/shown-columns.ts';
import { type Filter, readFilters } from '../../http/filters.ts';

type FilterField = keyof typeof fields;

/** A filter of a list of devices. */
export type DeviceFilter = Filter<FilterField>;

/** Reads the filters of a list of devices; anything else among the parameters is refused. */
export const deviceFilters = (parameters: Readonly<Record<string, unknown>>): DeviceFilter[] =>
  readFilters(parameters, fields);

/** Devices that have every word and fit every filter but those on the status, which no column holds. */
export function matching(db: Scoped, words: readonly string[], filters: readonly DeviceFilter[]) {
  const found = filters.reduce(
    (query, filter) => (filter.field === 'status' ? query : query.where(condition(filter.field, filter))),
    db.selectFrom('devices'),
  );
  return words.length === 0 ? found : found.where(mentions(searched, words));
}

type StoredField = Exclude<FilterField, 'status'>;

const condition = (field: StoredField, { operator, values }: DeviceFilter) =>
  field === 'label'
    ? compareLabels('devices.labels', operator, values)
    : compare(columns[field], operator, valuesFor(field, values));

const columns = {
  id: 'devices.id',
  name: 'devices.name',
  kind: deviceKind,
  'user.id': deviceOwnerId,
  'user.email': deviceOwner('email_key'),
  'entryGateway.id': deviceEntryGateway,
  appVersion: deviceAppVersion,
} as const satisfies Record<Exclude<StoredField, 'label'>, Parameters<typeof compare>[0]>;

const searched = [
  'devices.name',
  'devices.id',
  'devices.hardware_id',
  'devices.app_version',
  'devices.overlay_v4',
  'devices.overlay_v6',
  'devices.source_ip',
  deviceOwner('email_key'),
  deviceOwner('first_name'),
  deviceOwner('last_name'),
  shownLabels('devices'),
];

const valuesFor = (field: FilterField, values: readonly string[]) =>
  field === 'user.email' ? values.map((value) => value.toLowerCase()) : values;
