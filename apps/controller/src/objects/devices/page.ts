import type { Device, deviceSortFields } from '@sallyport/contract';
import type { Scoped } from '../../db/scoped.ts';
import { deviceAppVersion, deviceKind, deviceOwner } from '../../db/shown-columns.ts';
import { fits } from '../../http/filters.ts';
import type { Order, Page } from '../../http/paging.ts';
import { type DeviceFilter, matching } from './filters.ts';
import { type DeviceRow, findDevices } from './store.ts';

/** Columns that lists of devices are sorted by, by field. */
export const sortColumns = {
  id: 'id',
  name: 'name',
  createdAt: 'created_at',
  updatedAt: 'updated_at',
  status: 'status',
  kind: 'kind',
  lastConnection: 'last_seen',
  'user.email': 'owner',
  appVersion: 'app_version',
} as const satisfies Record<(typeof deviceSortFields)[number], string>;

type SortColumn = (typeof sortColumns)[keyof typeof sortColumns];

/** Which devices a list is about, and in which order. */
export interface DeviceList {
  readonly words: readonly string[];
  readonly filters: readonly DeviceFilter[];
  readonly sort: readonly Order<SortColumn>[];
  readonly page: Page;
}

/** What a device shows that no column holds. */
export interface Shown {
  readonly status: Device['status'];
  /** Epoch milliseconds; 0 for a device that never connected. */
  readonly lastSeen: number;
}

/** Columns that `Shown` is made from. */
export type ShownRow = Pick<DeviceRow, 'id' | 'active' | 'last_connection'>;

/** A page of the devices, in the order asked for and then in that of their creation, and how many fit. */
export async function pageOfDevices(
  db: Scoped,
  list: DeviceList,
  shown: (row: ShownRow) => Shown,
): Promise<{ rows: DeviceRow[]; total: number }> {
  const { words, filters, sort, page } = list;
  if (!isAsStored(list)) return pageByShown(db, list, shown);
  const found = matching(db, words, filters);
  const rows = await sort
    .reduce(
      (query, { column, direction }) => query.orderBy(expressions[column as StoredColumn], direction),
      found.selectAll('devices'),
    )
    .orderBy('devices.created_at')
    .orderBy('devices.id')
    .limit(page.limit)
    .offset(page.offset)
    .execute();
  const { total } = await found.select((eb) => eb.fn.countAll<number>().as('total')).executeTakeFirstOrThrow();
  return { rows, total };
}

/** Returns whether a list depends on the database alone, and not on who is connected. */
export const isAsStored = ({ sort, filters }: Pick<DeviceList, 'sort' | 'filters'>): boolean =>
  !sort.some(isShown) && !filters.some(({ field }) => field === 'status');

type StoredColumn = Exclude<SortColumn, 'status' | 'last_seen'>;

const isShown = ({ column }: Order<SortColumn>): boolean => column === 'status' || column === 'last_seen';

const expressions = {
  id: 'devices.id',
  name: 'devices.name',
  created_at: 'devices.created_at',
  updated_at: 'devices.updated_at',
  kind: deviceKind,
  owner: deviceOwner('email_key'),
  app_version: deviceAppVersion,
} as const;

/** Reads the few columns that filters and order need of every device that fits, then the rows of the page. */
async function pageByShown(db: Scoped, { words, filters, sort, page }: DeviceList, shown: (row: ShownRow) => Shown) {
  const candidates = await matching(db, words, filters)
    .select(['devices.id', 'devices.active', 'devices.last_connection', 'devices.name'])
    .select(['devices.created_at', 'devices.updated_at'])
    .select([deviceKind.as('kind'), deviceOwner('email_key').as('owner'), deviceAppVersion.as('app_version')])
    .orderBy('devices.created_at')
    .orderBy('devices.id')
    .execute();
  const wanted = filters.filter(({ field }) => field === 'status');
  const found = candidates
    .map((row) => ({ ...row, ...seen(shown(row)) }))
    .filter(({ status }) => wanted.every((filter) => fits(status, filter)))
    .sort((a, b) => {
      const differing = sort.find(({ column }) => a[column] !== b[column]);
      if (differing === undefined) return 0;
      const order = compareValues(a[differing.column], b[differing.column]);
      return differing.direction === 'asc' ? order : -order;
    });
  const ids = found.slice(page.offset, page.offset + page.limit).map(({ id }) => id);
  const rows = new Map((await findDevices(db, ids)).map((row) => [row.id, row]));
  return { rows: ids.flatMap((id) => rows.get(id) ?? []), total: found.length };
}

const seen = ({ status, lastSeen }: Shown) => ({ status, last_seen: lastSeen });

/** Compares as the database does: texts by code points. */
function compareValues(a: string | number, b: string | number): number {
  if (typeof a === 'number' && typeof b === 'number') return a - b;
  return Buffer.compare(Buffer.from(String(a)), Buffer.from(String(b)));
}
