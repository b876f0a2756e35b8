import { isWildcard, wildcardBase, wildcardsOver } from '@sallyport/ip';
import type { WorldAddress, WorldSettings } from '@sallyport/policy';
import { chunks, selectIn } from '../db/chunks.ts';
import type { Scoped } from '../db/scoped.ts';
import { overlayColumn } from '../overlay/range.ts';
import { namesColumn, overlayOf } from '../overlay/range-of-names.ts';
import { namesHaveAddresses, virtualAddresses } from '../overlay/virtual.ts';

/** A host name or wildcard among the addresses of a resource. */
export interface NamedAddress extends Omit<WorldAddress, 'prefix' | 'wildcard'> {
  readonly resource: string;
  readonly name: string;
}

interface KnownName {
  readonly network: string;
  readonly name: string;
  readonly number: number;
}

type OfResource = WorldAddress & { readonly resource: string };

/**
 * Returns the virtual addresses of names of private resources, in the networks of their gateways; none elsewhere. A
 * wildcard stands for itself and for the known names that it covers.
 */
export async function namedAddresses(db: Scoped, given: readonly NamedAddress[]): Promise<OfResource[]> {
  if (given.length === 0) return [];
  const columns = db.selectTenant().select('overlay_v6').select([overlayColumn, namesColumn]);
  const overlay = overlayOf(await columns.executeTakeFirstOrThrow());
  if (!namesHaveAddresses(overlay)) return [];
  const enforced = await privateAmong(db, given);
  const named = given.filter(({ resource }) => enforced.has(resource));
  const carriers = await carriersOf(db, [...enforced]);
  const own = Map.groupBy(await knownNames(db, named), ({ name }) => name);
  const covered = await coveredNames(
    db,
    named.map(({ name }) => name),
  );
  return named.flatMap((address) => {
    const known = [...(own.get(address.name) ?? []), ...(covered.get(address.name) ?? [])];
    const networks = carriers.get(address.resource);
    return known
      .filter(({ network }) => networks === undefined || networks.has(network))
      .flatMap((one) => addressesOf(address, one, networks, overlay));
  });
}

/** Returns the addresses of a name in one network. `networks`: the gateways of the resource, by network. */
function addressesOf(
  address: NamedAddress,
  { network, name, number }: KnownName,
  networks: ReadonlyMap<string, readonly string[]> | undefined,
  overlay: WorldSettings['overlay'],
): OfResource[] {
  const gateways = networks !== undefined && networks.size > 1 ? networks.get(network) : undefined;
  return virtualAddresses(overlay, number).map((text) => ({
    ...address,
    name,
    prefix: `${text}/${text.includes(':') ? 128 : 32}`,
    ...(name === address.name ? {} : { wildcard: address.name }),
    ...(gateways === undefined ? {} : { gateways }),
  }));
}

/**
 * Returns the gateways of resources by network. A resource without gateways is left out: it has the addresses of all
 * networks, so that denying it denies its names everywhere.
 */
async function carriersOf(
  db: Scoped,
  resources: readonly string[],
): Promise<ReadonlyMap<string, ReadonlyMap<string, readonly string[]>>> {
  const rows = await selectIn(resources, (part) =>
    db
      .selectFrom('resource_gateways')
      .innerJoin('gateways', 'gateways.id', 'resource_gateways.gateway_id')
      .select(['resource_gateways.resource_id', 'resource_gateways.gateway_id', 'gateways.network'])
      .where('resource_gateways.resource_id', 'in', part)
      .orderBy('resource_gateways.position')
      .execute(),
  );
  const byResource = Map.groupBy(rows, ({ resource_id }) => resource_id);
  return new Map(
    [...byResource].map(([id, own]) => {
      const byNetwork = Map.groupBy(own, ({ network }) => network);
      return [id, new Map([...byNetwork].map(([network, all]) => [network, all.map((row) => row.gateway_id)]))];
    }),
  );
}

async function privateAmong(db: Scoped, named: readonly NamedAddress[]): Promise<ReadonlySet<string>> {
  const rows = await selectIn([...new Set(named.map(({ resource }) => resource))], (part) =>
    db.selectFrom('resources').select('id').where('type', '=', 'PRIVATE').where('id', 'in', part).execute(),
  );
  return new Set(rows.map(({ id }) => id));
}

const knownNames = (db: Scoped, named: readonly NamedAddress[]): Promise<KnownName[]> =>
  selectIn([...new Set(named.map(({ name }) => name))], (part) =>
    db
      .selectFrom('virtual_addresses')
      .select(['network', 'name', 'number'])
      .where((eb) => eb.or([eb('used_at', 'is not', null), eb('rests_until', 'is', null)]))
      .where('name', 'in', part)
      .execute(),
  );

/** Returns the names that wildcards cover, by wildcard: those that a resource has, or that a device has asked for. */
async function coveredNames(db: Scoped, names: readonly string[]): Promise<ReadonlyMap<string, KnownName[]>> {
  const wildcards = new Set(names.filter(isWildcard));
  const bases = [...new Set([...wildcards].map(wildcardBase))];
  const found = new Map<number, KnownName>();
  for (const part of chunks(bases, basesPerQuery)) {
    const rows = await db
      .selectFrom('virtual_addresses')
      .select(['network', 'name', 'number'])
      .where((eb) => eb.or([eb('used_at', 'is not', null), eb('rests_until', 'is', null)]))
      .where((eb) => eb.or(part.map((base) => eb('name', 'like', `%.${base}`))))
      .execute();
    for (const row of rows) found.set(row.number, row);
  }
  const sorted = [...found.values()].sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : a.number - b.number));
  const pairs = sorted.flatMap((known) =>
    wildcardsOver(known.name).flatMap((wildcard) => (wildcards.has(wildcard) ? [{ wildcard, known }] : [])),
  );
  const byWildcard = Map.groupBy(pairs, ({ wildcard }) => wildcard);
  return new Map([...byWildcard].map(([wildcard, covered]) => [wildcard, covered.map(({ known }) => known)]));
}

/** Wildcards whose names one query looks for. */
const basesPerQuery = 50;
