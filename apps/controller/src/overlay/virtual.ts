import { isIpText } from '@sallyport/contract';
import { formatAddress, parsePrefix, rangeOfNames, rangeOfNames4, rangeOfNames6, rangesOverlap } from '@sallyport/ip';
import type { WorldSettings } from '@sallyport/policy';
import { chunks, selectIn } from '../db/chunks.ts';
import type { Tx } from '../db/store.ts';
import { ApiError } from '../errors.ts';
import { lastNumber, namesColumn } from './range-of-names.ts';
import { followNames, followUnattached, privateAddresses } from './wildcards.ts';

/** Time for which the address of a name that no resource has any more is given to no other name. */
export const restMs = 30 * 24 * 3600 * 1000;

/** Addresses in the tunnel, as the settings of a tenant have them. */
type Overlay = WorldSettings['overlay'];

/** Returns whether the overlay leaves the range for names alone. An older installation may use it for members. */
export function namesHaveAddresses(overlay: Pick<Overlay, 'v4' | 'names'>): boolean {
  const [range, names] = [parsePrefix(overlay.v4), parsePrefix(rangeOfNames4(overlay))];
  return range !== null && names !== null && !rangesOverlap(range, names);
}

/** Returns the virtual addresses of a number, IPv4 then IPv6. */
export function virtualAddresses(overlay: Pick<Overlay, 'v6' | 'names'>, number: number): readonly [string, string] {
  const v4 = parsePrefix(rangeOfNames4(overlay)) ?? { first: 0n };
  const v6 = parsePrefix(rangeOfNames6(overlay.v6)) ?? { first: 0n };
  return [
    formatAddress({ family: 4, value: v4.first + BigInt(number) }),
    formatAddress({ family: 6, value: v6.first + BigInt(number) }),
  ];
}

/** A name in a network. The network of gateways without a label is empty. */
interface Place {
  readonly network: string;
  readonly name: string;
}

/**
 * Gives virtual addresses to those of some names that a private resource has, one in each network of its gateways, and
 * lets the others rest. To be called in the write that adds or removes the names, or that moves gateways or resources.
 */
export async function settleNames(tx: Tx, names: readonly string[]): Promise<void> {
  const touched = [...new Set(names)];
  if (touched.length === 0) return;
  const held = new Map((await heldPlaces(tx, touched)).map((place) => [keyOf(place), place]));
  const rows = await knownPlaces(tx, touched);
  const known = new Set(rows.map(keyOf));
  const back = rows.filter((row) => held.has(keyOf(row)) && row.rests_until !== null);
  const left = rows.filter((row) => !held.has(keyOf(row)) && row.rests_until === null);
  const order = new Map(touched.map((name, i) => [name, i]));
  const fresh = [...held.values()]
    .filter((one) => !known.has(keyOf(one)))
    // Databases return rows in any order.
    .sort((a, b) => (order.get(a.name) ?? 0) - (order.get(b.name) ?? 0) || (a.network < b.network ? -1 : 1));
  await setRest(tx, back, null);
  await setRest(tx, left, tx.now + restMs);
  const numbers = await freeNumbers(tx, fresh.length);
  const added = fresh.map((one, i) => ({ ...one, number: numbers[i] as number, rests_until: null, used_at: null }));
  for (const part of chunks(added)) await tx.scoped.insertInto('virtual_addresses', part).execute();
  const changed = [...back, ...left, ...fresh];
  await followNames(tx, changed.map(nameOf));
  await followUnattached(tx, changed.filter(({ network }) => network !== '').map(nameOf));
}

const nameOf = ({ name }: Place): string => name;

/** Settles the names of resources, after a change of the gateways that carry them. */
export async function settleNamesOf(tx: Tx, resources: readonly string[]): Promise<void> {
  const rows = await selectIn(resources, (part) =>
    tx.scoped.selectFrom('addresses').select('address').where('resource_id', 'in', part).orderBy('address').execute(),
  );
  await settleNames(
    tx,
    rows.map(({ address }) => address).filter((text) => !isIpText(text)),
  );
}

/** A label of a network has no space. */
const keyOf = ({ network, name }: Place): string => `${network} ${name}`;

/** A name of a resource without gateways is in the network without a label. */
async function heldPlaces(tx: Tx, names: readonly string[]): Promise<Place[]> {
  const rows = await selectIn(names, (part) =>
    privateAddresses(tx, part)
      .leftJoin('resource_gateways', 'resource_gateways.resource_id', 'resources.id')
      .leftJoin('gateways', 'gateways.id', 'resource_gateways.gateway_id')
      .select(['addresses.address', 'gateways.network'])
      .distinct()
      .execute(),
  );
  return rows.map(({ address, network }) => ({ network: network ?? '', name: address }));
}

const knownPlaces = (tx: Tx, names: readonly string[]) =>
  selectIn(names, (part) =>
    tx.scoped
      .selectFrom('virtual_addresses')
      .select(['network', 'name', 'rests_until'])
      .where('name', 'in', part)
      .execute(),
  );

async function setRest(tx: Tx, places: readonly Place[], rests_until: number | null): Promise<void> {
  for (const [network, here] of Map.groupBy(places, (place) => place.network))
    for (const part of chunks(here.map(({ name }) => name)))
      await tx.scoped
        .updateTable('virtual_addresses')
        .set({ rests_until })
        .where('network', '=', network)
        .where('name', 'in', part)
        .execute();
}

/** Returns numbers that were never given, and then those that have rested longest. Throws when all are used up. */
export async function freeNumbers(tx: Tx, count: number): Promise<number[]> {
  if (count === 0) return [];
  const { last } = await tx.scoped
    .selectFrom('virtual_addresses')
    .select((eb) => eb.fn.max<number | null>('number').as('last'))
    .executeTakeFirstOrThrow();
  const { names } = await tx.scoped.selectTenant().select(namesColumn).executeTakeFirstOrThrow();
  const next = (last ?? 0) + 1;
  const fresh = Math.min(count, Math.max(0, lastNumber(names ?? rangeOfNames) - next + 1));
  const numbers = Array.from({ length: fresh }, (_, i) => next + i);
  return fresh === count ? numbers : [...numbers, ...(await rested(tx, count - fresh))];
}

async function rested(tx: Tx, count: number): Promise<number[]> {
  const rows = await tx.scoped
    .selectFrom('virtual_addresses')
    .select('number')
    .where('rests_until', '<=', tx.now)
    .where('used_at', 'is', null)
    .orderBy('rests_until')
    .limit(count)
    .execute();
  if (rows.length < count)
    throw new ApiError(
      'quota_exceeded',
      'All addresses for names are in use or rest; those of removed names rest 30 days',
    );
  for (const { number } of rows) await tx.scoped.deleteFrom('virtual_addresses').where('number', '=', number).execute();
  return rows.map(({ number }) => number);
}
