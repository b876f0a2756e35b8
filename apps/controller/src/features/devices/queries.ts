import type { Device, Input } from '@sallyport/contract';
import type { Channel } from '../../channel/types.ts';
import type { Scoped } from '../../db/scoped.ts';
import { notFound } from '../../errors.ts';
import { envelope, pageOf, sortOrder } from '../../http/paging.ts';
import { type DeviceRow, findDevice, findDevices, pageOfDevices } from './store.ts';
import { deviceView } from './views.ts';

export interface DeviceQueryDeps {
  readonly now: () => number;
  readonly channel: Pick<Channel, 'deviceLastHandshake'>;
}

const sortColumns = { id: 'id', name: 'name', createdAt: 'created_at', updatedAt: 'updated_at' } as const;

export function createDeviceQueries({ now, channel }: DeviceQueryDeps) {
  const view = (row: DeviceRow): Device => deviceView(row, channel.deviceLastHandshake(row.id), now());
  return {
    view,
    /** One device and its version. */
    get: async (db: Scoped, id: string): Promise<{ body: Device; version: number }> => {
      const row = await findDevice(db, id);
      if (row === undefined) throw notFound();
      return { body: view(row), version: row.version };
    },
    list: async (db: Scoped, query: Input<'listDevices'>['query']) => {
      const page = pageOf(query);
      const { rows, total } = await pageOfDevices(db, sortOrder(query.sort, sortColumns), page);
      return envelope(rows.map(view), total, page);
    },
    /** Devices by id. Ids of nobody are left out. */
    nested: async (db: Scoped, ids: readonly string[]): Promise<ReadonlyMap<string, Device>> => {
      const rows = await findDevices(db, [...new Set(ids)]);
      return new Map(rows.map((row) => [row.id, view(row)]));
    },
  };
}

export type DeviceQueries = ReturnType<typeof createDeviceQueries>;
