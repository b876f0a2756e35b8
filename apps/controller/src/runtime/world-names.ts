import { isWildcard, wildcardBase, wildcardsOver } from '@sallyport/ip';
import type { WorldAddress } from '@sallyport/policy';
import { chunks, selectIn } from '../db/chunks.ts';
import type { Scoped } from '../db/scoped.ts';
import { overlayColumn } from '../overlay/range.ts';
import { namesHaveAddresses, virtualAddresses } from '../overlay/virtual.ts';

/** A host name or wildcard among the addresses of a resource. */
export interface NamedAddress extends Omit<WorldAddress, 'prefix' | 'wildcard'> {
  readonly resource: string;
  readonly name: string;
}

interface KnownName {
  readonly name: string;
  readonly number: number;
}

/**
 * Returns the virtual addresses of names of private resources; none elsewhere. A wildcard stands for itself and for the
 * known names that it covers.
 */
export async function namedAddresses(
  db: Scoped,
  given: readonly NamedAddress[],
): Promise<(WorldAddress & { readonly resource: string })[]> {
  if (given.length === 0) return [];
  const tenant = await db.selectTenant().select('overlay_v6').select(overlayColumn).executeTakeFirstOrThrow();
  if (!namesHaveAddresses(tenant.overlay)) return [];
  const enforced = await privateAmong(db, given);
  const named = given.filter(({ resource }) => enforced.has(resource));
  const own = new Map((await knownNames(db, named)).map((known) => [known.name, known]));
  const covered = await coveredNames(
    db,
    named.map(({ name }) => name),
  );
  const virtual = (address: NamedAddress, { name, number }: KnownName) =>
    virtualAddresses(tenant.overlay_v6, number).map((text) => ({
      ...address,
      name,
      prefix: `${text}/${text.includes(':') ? 128 : 32}`,
      ...(name === address.name ? {} : { wildcard: address.name }),
    }));
  return named.flatMap((address) => {
    const itself = own.get(address.name);
    const others = covered.get(address.name) ?? [];
    return [...(itself === undefined ? [] : [itself]), ...others].flatMap((known) => virtual(address, known));
  });
}

async function privateAmong(db: Scoped, named: readonly NamedAddress[]): Promise<ReadonlySet<string>> {
  const rows = await selectIn([...new Set(named.map(({ resource }) => resource))], (part) =>
    db.selectFrom('resources').select('id').where('type', '=', 'PRIVATE').where('id', 'in', part).execute(),
  );
  return new Set(rows.map(({ id }) => id));
}

const knownNames = (db: Scoped, named: readonly NamedAddress[]): Promise<KnownName[]> =>
  selectIn([...new Set(named.map(({ name }) => name))], (part) =>
    db.selectFrom('virtual_addresses').select(['name', 'number']).where('name', 'in', part).execute(),
  );

/** Returns the names that wildcards cover, by wildcard: those that a resource has, or that a device has asked for. */
async function coveredNames(db: Scoped, names: readonly string[]): Promise<ReadonlyMap<string, KnownName[]>> {
  const wildcards = new Set(names.filter(isWildcard));
  const bases = [...new Set([...wildcards].map(wildcardBase))];
  const found = new Map<string, KnownName>();
  for (const part of chunks(bases, basesPerQuery)) {
    const rows = await db
      .selectFrom('virtual_addresses')
      .select(['name', 'number'])
      .where((eb) => eb.or([eb('used_at', 'is not', null), eb('rests_until', 'is', null)]))
      .where((eb) => eb.or(part.map((base) => eb('name', 'like', `%.${base}`))))
      .execute();
    for (const row of rows) found.set(row.name, row);
  }
  const sorted = [...found.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  const pairs = sorted.flatMap((known) =>
    wildcardsOver(known.name).flatMap((wildcard) => (wildcards.has(wildcard) ? [{ wildcard, known }] : [])),
  );
  const byWildcard = Map.groupBy(pairs, ({ wildcard }) => wildcard);
  return new Map([...byWildcard].map(([wildcard, covered]) => [wildcard, covered.map(({ known }) => known)]));
}

/** Wildcards whose names one query looks for. */
const basesPerQuery = 50;
