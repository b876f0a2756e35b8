import type { Device, DevicePath, Input } from '@sallyport/contract';
import type { Channel } from '../../channel/types.ts';
import type { Scoped } from '../../db/scoped.ts';
import { notFound } from '../../errors.ts';
import { envelope, pageOf, pageText, sortOrder } from '../../http/paging.ts';
import { searchWords } from '../../http/search.ts';
import type { Whereabouts } from '../../runtime/whereabouts.ts';
import { gatewayNames } from '../gateways/facts.ts';
import { deviceUsers } from '../users/queries.ts';
import { deviceFilters } from './filters.ts';
import { isAsStored, pageOfDevices, type ShownRow, sortColumns } from './page.ts';
import { type DevicePage, DevicePages, PageAnswers } from './pages.ts';
import { devicePaths, gatewaysOnPaths } from './paths.ts';
import {
  activeOf,
  connectionsOf,
  type DeviceRow,
  findDevice,
  findDevices,
  ownedDevices,
  pageOfOwned,
} from './store.ts';
import { DeviceTexts } from './texts.ts';
import {
  type DeviceFacts,
  deviceView,
  lastSeen,
  standingOf,
  statusOf,
  type TimedPresence,
  timedPresence,
} from './views.ts';

/** What the queries of devices need. */
export interface DeviceQueryDeps {
  readonly now: () => number;
  readonly channel: Pick<Channel, 'deviceLastHandshake' | 'presence' | 'paths' | 'gather'>;
  readonly whereabouts: Pick<Whereabouts, 'of'>;
  /** Returns a number that changes with every write of a tenant. */
  readonly generation: (tenant: string) => number;
}

/** Makes the queries that answer with devices and their owners. */
export function createDeviceQueries({ now, channel, whereabouts, generation }: DeviceQueryDeps) {
  const texts = new DeviceTexts();
  const pages = new DevicePages(generation);
  const answers = new PageAnswers();
  /** Completes rows with one query for all owners and one for all entry gateways. */
  const completed = async (db: Scoped, { rows, total }: Pick<DevicePage, 'rows' | 'total'>): Promise<DevicePage> => ({
    rows,
    total,
    owners: await deviceUsers(
      db,
      rows.flatMap(({ user_id }) => user_id ?? []),
    ),
    entries: await gatewayNames(
      db,
      rows.flatMap(({ entry_gateway_id }) => entry_gateway_id ?? []),
    ),
  });
  /** What devices show beside their rows, in order. */
  const factsOf = ({ rows, owners, entries }: DevicePage): DeviceFacts[] => {
    const moment = now();
    return rows.map((row) => ({
      presence: channel.presence(row.id),
      entryGateway: entries.get(row.entry_gateway_id ?? ''),
      handshake: channel.deviceLastHandshake(row.id),
      location: whereabouts.of(row.id, row.source_ip),
      owner: owners.get(row.user_id ?? ''),
      now: moment,
    }));
  };
  const views = async (db: Scoped, rows: readonly DeviceRow[]): Promise<Device[]> =>
    factsOf(await completed(db, { rows, total: rows.length })).map((facts, i) =>
      deviceView(rows[i] as DeviceRow, facts),
    );
  const momentary = ({ id }: Pick<DeviceRow, 'id'>) => ({
    presence: channel.presence(id),
    handshake: channel.deviceLastHandshake(id),
    now: now(),
  });
  const shown = (row: ShownRow) => {
    const facts = momentary(row);
    return { status: statusOf(row, facts), lastSeen: lastSeen(row, facts) };
  };
  return {
    /** To be called before paths of devices are read, outside of a write: it may wait for another process. */
    gatherPaths: (ids: readonly string[]): Promise<void> => channel.gather(ids, 'paths'),
    /** One device, with its paths, and its version. `owner`: only when it is this user's. */
    get: async (db: Scoped, id: string, owner?: string): Promise<{ body: Device; version: number }> => {
      const row = await findDevice(db, id, owner);
      const [body] = row === undefined ? [] : await views(db, [row]);
      if (row === undefined || body === undefined) throw notFound();
      if (row.identity_key === null) return { body, version: row.version };
      const reports = channel.paths(id);
      const paths = devicePaths(reports, await gatewayNames(db, gatewaysOnPaths(reports)));
      return { body: { ...body, paths }, version: row.version };
    },
    /** What live streams show of devices, by id, and until when by time alone. Unknown ids are left out. */
    presences: async (db: Scoped, ids: readonly string[]): Promise<Map<string, TimedPresence>> => {
      const rows = await findDevices(db, ids);
      return new Map(rows.map((row) => [row.id, timedPresence(row, momentary(row))]));
    },
    /** Whether devices are active, by id; null: all devices. */
    activity: async (db: Scoped, ids: readonly string[] | null): Promise<Map<string, boolean>> =>
      new Map((await activeOf(db, ids)).map(({ id, active }) => [id, active === 1])),
    /** Status of a device of which only this is known, and until when it holds by time alone. */
    standing: (id: string, active: boolean) => standingOf({ active: active ? 1 : 0 }, momentary({ id })),
    /** Paths of native devices, by id. Other ids are left out. */
    paths: async (db: Scoped, ids: readonly string[]): Promise<Map<string, DevicePath[]>> => {
      const rows = (await findDevices(db, ids)).filter(({ identity_key }) => identity_key !== null);
      const reports = rows.map(({ id }) => channel.paths(id));
      const names = await gatewayNames(db, reports.flatMap(gatewaysOnPaths));
      return new Map(rows.map(({ id }, i) => [id, devicePaths(reports[i] ?? [], names)]));
    },
    /** JSON text of a page of the devices that fit the filters. */
    list: async (db: Scoped, { limit, offset, sort, q, fields, ...rest }: Input<'listDevices'>['query']) => {
      const page = pageOf({ limit, offset }, fields);
      const list = { words: searchWords(q), filters: deviceFilters(rest), sort: sortOrder(sort, sortColumns), page };
      const read = async () => completed(db, await pageOfDevices(db, list, shown));
      const found = isAsStored(list) ? await pages.of(db.tenant, list, read) : await read();
      const parts = factsOf(found).map((own, i) => texts.of(found.rows[i] as DeviceRow, own, fields === 'summary'));
      return answers.of(found, parts, () => pageText(parts, envelope([], found.total, page)));
    },
    /** How many devices each of the users has, and when one of them was last connected, epoch milliseconds. */
    ofUsers: async (db: Scoped, users: readonly string[]) => {
      const byOwner = Map.groupBy(await connectionsOf(db, users), ({ user_id }) => user_id ?? '');
      return new Map(
        [...byOwner].map(([user, rows]) => [
          user,
          { count: rows.length, lastSeen: Math.max(...rows.map((row) => shown(row).lastSeen)) },
        ]),
      );
    },
    /** A page of the devices of a user, in order of creation. */
    listOwn: async (db: Scoped, owner: string, query: Input<'listMyDevices'>['query']) => {
      const page = pageOf(query);
      const { rows, total } = await pageOfOwned(db, owner, page);
      return envelope(await views(db, rows), total, page);
    },
    /** Names of all devices of a user by id, in order of creation. */
    ownNames: async (db: Scoped, owner: string): Promise<ReadonlyMap<string, string>> =>
      new Map((await ownedDevices(db, owner)).map(({ id, name }) => [id, name])),
    /** Devices by id. Unknown ids are left out. */
    nested: async (db: Scoped, ids: readonly string[]): Promise<ReadonlyMap<string, Device>> => {
      const rows = await findDevices(db, [...new Set(ids)]);
      return new Map((await views(db, rows)).map((device) => [device.id, device]));
    },
  };
}

/** The queries of devices. */
export type DeviceQueries = ReturnType<typeof createDeviceQueries>;
