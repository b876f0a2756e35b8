import type { Address, Gateway, Resource, resourceSortFields } from '@sallyport/contract';
import type { Scoped } from '../../db/scoped.ts';
import { notFound } from '../../errors.ts';
import { fits } from '../../http/filters.ts';
import { envelope, type Page, pageOf, sortOrder } from '../../http/paging.ts';
import { searchWords } from '../../http/search.ts';
import type { GatewayQueries } from '../gateways/queries.ts';
import { protocolsById } from '../protocols/queries.ts';
import { matching, type ResourceFilter, resourceFilters } from './filters.ts';
import { type PresenceSource, reportersOf } from './resolution.ts';
import {
  type AddressParts,
  allAddresses,
  findAddress,
  findResource,
  findResources,
  type ResourceParts,
  type ResourceRow,
  withParts,
} from './store.ts';
import {
  addressView,
  type NestedResource,
  nestedResourceView,
  resourceSummary,
  resourceView,
  statusOf,
} from './views.ts';

/** Query of a list: the page, the order, and filters under names of their own. */
type ListQuery = Page & {
  readonly sort: readonly string[];
  readonly q?: string | undefined;
  readonly fields?: 'summary' | undefined;
  readonly [parameter: string]: unknown;
};

const sortColumns = {
  id: 'id',
  name: 'name',
  type: 'type',
  createdAt: 'created_at',
  updatedAt: 'updated_at',
} as const satisfies Record<(typeof resourceSortFields)[number], string>;

/** Makes the queries that answer with resources, their protocols and gateways. */
export function createResourceQueries(gateways: Pick<GatewayQueries, 'nested'>, channel: PresenceSource) {
  const attachedTo = (db: Scoped, resources: readonly ResourceParts[]) =>
    gateways.nested(db, [...new Set(resources.flatMap((resource) => resource.gateways))]);

  /** `gathered`: with what gateways of other processes report. Not inside of a write, because it may take a second. */
  const views = async (db: Scoped, rows: readonly ResourceRow[], gathered: boolean): Promise<Resource[]> => {
    const resources = await withParts(db, rows);
    if (gathered) await channel.gather(reportersOf(resources), 'probes');
    const protocols = await protocolsById(db, usedProtocols(resources.flatMap(({ addresses }) => addresses)));
    const attached = await attachedTo(db, resources);
    return resources.map((resource) => resourceView(resource, protocols, attached, channel));
  };

  /** Rows whose status fits. A resource that no gateway carries has the status ''. */
  const withStatus = async (db: Scoped, rows: readonly ResourceRow[], filters: readonly ResourceFilter[]) => {
    const resources = await withParts(db, rows);
    const attached = await attachedTo(db, resources);
    return resources
      .filter((resource) => filters.every((filter) => fits(statusOf(resource, attached) ?? '', filter)))
      .map(({ row }) => row);
  };

  const one = async (db: Scoped, id: string, gathered: boolean): Promise<{ body: Resource; version: number }> => {
    const row = await findResource(db, id);
    const [body] = row === undefined ? [] : await views(db, [row], gathered);
    if (row === undefined || body === undefined) throw notFound();
    return { body, version: row.version };
  };

  const pageFor = async (db: Scoped, { limit, offset, sort, q, fields, ...rest }: ListQuery) => {
    const page = pageOf({ limit, offset }, fields);
    const filters = resourceFilters(rest);
    const found = matching(db, searchWords(q), filters);
    const ordered = sortOrder(sort, sortColumns)
      .reduce(
        (query, { column, direction }) => query.orderBy(`resources.${column}`, direction),
        found.selectAll('resources'),
      )
      .orderBy('resources.created_at')
      .orderBy('resources.id');
    const onStatus = filters.filter(({ field }) => field === 'status');
    if (onStatus.length > 0) {
      const rows = await withStatus(db, await ordered.execute(), onStatus);
      return { page, rows: rows.slice(page.offset, page.offset + page.limit), total: rows.length };
    }
    const rows = await ordered.limit(page.limit).offset(page.offset).execute();
    const { total } = await found.select((eb) => eb.fn.countAll<number>().as('total')).executeTakeFirstOrThrow();
    return { page, rows, total };
  };

  const get = (db: Scoped, id: string) => one(db, id, false);

  return {
    /** One resource and its version. */
    get,
    /** One resource and its version, in a read: with what gateways of other processes report. */
    read: (db: Scoped, id: string) => one(db, id, true),
    /** A page of the resources that fit the filters. */
    list: async (db: Scoped, query: ListQuery) => {
      const { rows, total, page } = await pageFor(db, query);
      return envelope(await views(db, rows, true), total, page);
    },
    /** The same page as a table shows it. */
    summaries: async (db: Scoped, query: ListQuery) => {
      const { rows, total, page } = await pageFor(db, query);
      const resources = await withParts(db, rows);
      await channel.gather(reportersOf(resources), 'probes');
      const attached = await attachedTo(db, resources);
      return envelope(
        resources.map((resource) => resourceSummary(resource, attached, channel)),
        total,
        page,
      );
    },
    addresses: async (db: Scoped): Promise<Address[]> => addressViews(db, await allAddresses(db)),
    address: async (db: Scoped, id: string): Promise<Address> => {
      const [address] = await addressViews(db, await existingAddress(db, id));
      if (address === undefined) throw notFound();
      return address;
    },
    /** Gateways that carry an address, highest priority first. */
    addressGateways: async (db: Scoped, id: string): Promise<Gateway[]> => {
      const [address] = await existingAddress(db, id);
      return address === undefined ? [] : (await get(db, address.resource)).body.gateways;
    },
  };
}

/** The queries of resources and addresses. */
export type ResourceQueries = ReturnType<typeof createResourceQueries>;

/** Returns resources in the form that other objects show, by id. Unknown ids are left out. */
export async function nestedResources(
  db: Scoped,
  ids: readonly string[],
): Promise<ReadonlyMap<string, NestedResource>> {
  const rows = await findResources(db, [...new Set(ids)]);
  return new Map(rows.map((row) => [row.id, nestedResourceView(row)]));
}

async function existingAddress(db: Scoped, id: string): Promise<AddressParts[]> {
  const address = await findAddress(db, id.toLowerCase());
  if (address === undefined) throw notFound();
  return [address];
}

async function addressViews(db: Scoped, addresses: readonly AddressParts[]): Promise<Address[]> {
  const rows = await findResources(db, [...new Set(addresses.map(({ resource }) => resource))]);
  const types = new Map(rows.map(({ id, type }) => [id, type]));
  const protocols = await protocolsById(db, usedProtocols(addresses));
  return addresses.map((address) => addressView(address, types.get(address.resource) ?? 'PRIVATE', protocols));
}

const usedProtocols = (addresses: readonly AddressParts[]): string[] => [
  ...new Set(addresses.flatMap(({ protocols }) => protocols)),
];
