import type { Device, Input } from '@sallyport/contract';
import type { Channel } from '../../channel/types.ts';
import type { Scoped } from '../../db/scoped.ts';
import { notFound } from '../../errors.ts';
import { envelope, pageOf, sortOrder } from '../../http/paging.ts';
import { searchWords } from '../../http/search.ts';
import type { Whereabouts } from '../../runtime/whereabouts.ts';
import { gatewayNames } from '../gateways/facts.ts';
import { deviceUsers } from '../users/queries.ts';
import { deviceFilters } from './filters.ts';
import { pageOfDevices, type ShownRow, sortColumns } from './page.ts';
import { devicePaths, gatewaysOnPaths } from './paths.ts';
import { type DeviceRow, findDevice, findDevices, ownedDevices, pageOfOwned } from './store.ts';
import { deviceView, lastSeen, statusOf } from './views.ts';

/** What the queries of devices need. */
export interface DeviceQueryDeps {
  readonly now: () => number;
  readonly channel: Pick<Channel, 'deviceLastHandshake' | 'presence' | 'paths'>;
  readonly whereabouts: Pick<Whereabouts, 'of'>;
}

/** Makes the queries that answer with devices and their owners. */
export function createDeviceQueries({ now, channel, whereabouts }: DeviceQueryDeps) {
  /** In order, with one query for the owners of all, and one for their entry gateways. */
  const views = async (db: Scoped, rows: readonly DeviceRow[]): Promise<Device[]> => {
    const owners = await deviceUsers(
      db,
      rows.flatMap(({ user_id }) => user_id ?? []),
    );
    const entries = await gatewayNames(
      db,
      rows.flatMap(({ entry_gateway_id }) => entry_gateway_id ?? []),
    );
    return rows.map((row) =>
      deviceView(row, {
        presence: channel.presence(row.id),
        entryGateway: entries.get(row.entry_gateway_id ?? ''),
        handshake: channel.deviceLastHandshake(row.id),
        location: whereabouts.of(row.id, row.source_ip),
        owner: owners.get(row.user_id ?? ''),
        now: now(),
      }),
    );
  };
  const shown = (row: ShownRow) => {
    const facts = { presence: channel.presence(row.id), handshake: channel.deviceLastHandshake(row.id), now: now() };
    return { status: statusOf(row, facts), lastSeen: lastSeen(row, facts) };
  };
  return {
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
    /** A page of the devices that fit the filters. */
    list: async (db: Scoped, { limit, offset, sort, q, ...rest }: Input<'listDevices'>['query']) => {
      const page = pageOf({ limit, offset });
      const list = { words: searchWords(q), filters: deviceFilters(rest), sort: sortOrder(sort, sortColumns), page };
      const { rows, total } = await pageOfDevices(db, list, shown);
      return envelope(await views(db, rows), total, page);
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
