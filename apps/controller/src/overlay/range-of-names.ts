import { parsePrefix, rangeOfNames, rangesOverlap } from '@sallyport/ip';
import type { WorldSettings } from '@sallyport/policy';
import type { ExpressionBuilder, Kysely } from 'kysely';
import type { Database } from '../db/schema.ts';
import { unscoped } from '../db/scoped.ts';
import type { Store } from '../db/store.ts';
import { inTransaction } from '../db/transactions.ts';
import { OperatorError } from '../errors.ts';
import { rangeRefusal } from './range.ts';

/** Returns why a text cannot be the range of addresses that stand for names; null when it can. */
export const namesRefusal = (text: string): string | null =>
  rangeRefusal(text, { shortest: 10, longest: 20, example: rangeOfNames });

/** Number of the last address that a name may have. The first and the last address of the range belong to no name. */
export function lastNumber(range: string): number {
  const { first, last } = parsePrefix(range) ?? { first: 0n, last: 0n };
  return Number(last - first) - 1;
}

/** The range of addresses that stand for names, as a column `names` of a query of `tenants`. Null: the usual one. */
export const namesColumn = (eb: ExpressionBuilder<Database, 'tenants'>) =>
  eb.selectFrom('meta').select('meta.value').where('meta.key', '=', 'names').$asScalar().as('names');

/** Returns the overlay from the columns of a tenant. */
export const overlayOf = (row: {
  readonly overlay: string;
  readonly overlay_v6: string;
  readonly names: string | null;
}): WorldSettings['overlay'] => ({
  ...{ v4: row.overlay, v6: row.overlay_v6 },
  ...(row.names === null ? {} : { names: row.names }),
});

/**
 * Applies the range of names that the operator wants, and returns the range in force. Numbers of names stay, so a range
 * in use can only become shorter or longer at its end. `mayChange` throws when the range cannot change now. Throws
 * OperatorError when an address would change, and when the range overlaps the overlay or contains addresses of resources.
 */
export async function settleRangeOfNames(
  store: Store,
  wanted: string | null,
  overlay: string,
  mayChange: () => void = () => undefined,
): Promise<string> {
  const all = unscoped(store.db, 'the range of names belongs to the controller, not to a tenant');
  return inTransaction(all, async (db) => {
    const row = await db.selectFrom('meta').select('value').where('key', '=', 'names').executeTakeFirst();
    const present = row?.value ?? rangeOfNames;
    if (wanted === null) return present;
    if (overlap(wanted, overlay)) throw new OperatorError(overlapText(wanted, overlay));
    if (wanted === present) return present;
    mayChange();
    const inside = await addressesInside(db, wanted);
    if (inside.length > 0) throw new OperatorError(insideText(wanted, inside));
    const { used, last } = await db
      .selectFrom('virtual_addresses')
      .select((eb) => [eb.fn.countAll<number>().as('used'), eb.fn.max<number | null>('number').as('last')])
      .where((eb) => eb.not(hasRested(eb, store.now())))
      .executeTakeFirstOrThrow();
    if (used > 0 && !keepsAddresses(present, wanted, last ?? 0))
      throw new OperatorError(refusal(present, wanted, used));
    // Numbers are given again after their rest. The new range may be without these.
    await db
      .deleteFrom('virtual_addresses')
      .where((eb) => hasRested(eb, store.now()))
      .execute();
    await db.deleteFrom('meta').where('key', '=', 'names').execute();
    if (wanted !== rangeOfNames) await db.insertInto('meta').values({ key: 'names', value: wanted }).execute();
    return wanted;
  });
}

/** Condition that no resource and no device needs the address any more. */
const hasRested = (eb: ExpressionBuilder<Database, 'virtual_addresses'>, now: number) =>
  eb.and([eb('rests_until', 'is not', null), eb('rests_until', '<=', now), eb('used_at', 'is', null)]);

/** Returns some addresses of resources that would be inside the range, where devices could not reach them. */
async function addressesInside(db: Kysely<Database>, range: string): Promise<string[]> {
  const rows = await db
    .selectFrom('addresses')
    .select('address')
    .distinct()
    // All networks in which the range may lie begin with 1.
    .where('address', 'like', '1%')
    .orderBy('address')
    .execute();
  const around = parsePrefix(range);
  const isInside = (text: string): boolean => {
    const inner = parsePrefix(text);
    return around !== null && inner?.family === 4 && around.first <= inner.first && inner.last <= around.last;
  };
  return rows.map(({ address }) => address).filter(isInside);
}

function overlap(a: string, b: string): boolean {
  const [one, other] = [parsePrefix(a), parsePrefix(b)];
  return one !== null && other !== null && rangesOverlap(one, other);
}

const keepsAddresses = (before: string, after: string, last: number): boolean =>
  parsePrefix(before)?.first === parsePrefix(after)?.first && last <= lastNumber(after);

const overlapText = (wanted: string, overlay: string): string =>
  `SALLYPORT_VIRTUAL_RANGE is ${wanted}, but gateways and devices have addresses in ${overlay} (SALLYPORT_OVERLAY). ` +
  'Choose a range beside it.';

const insideText = (wanted: string, [first, ...others]: readonly string[]): string =>
  `SALLYPORT_VIRTUAL_RANGE is ${wanted}, but resources have addresses there: ${first}` +
  `${others.length > 0 ? `, and ${others.length} more` : ''}. Choose another range, or remove these addresses first.`;

const refusal = (present: string, wanted: string, used: number): string =>
  `SALLYPORT_VIRTUAL_RANGE is ${wanted}, but ${used} names have or had until lately addresses in ${present}, and some of these would change. ` +
  `Start with SALLYPORT_VIRTUAL_RANGE=${present}, or without it. A longer prefix that begins at the same address is taken while all of them lie in it. ` +
  'Another range is taken 31 days after the last name was removed.';
