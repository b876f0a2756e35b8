import { parsePrefix, rangeOfNames, rangesOverlap } from '@sallyport/ip';
import type { WorldSettings } from '@sallyport/policy';
import type { ExpressionBuilder } from 'kysely';
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
 * in use can only become shorter or longer at its end. Throws OperatorError when an address would change, and when the
 * range overlaps the overlay.
 */
export async function settleRangeOfNames(store: Store, wanted: string | null, overlay: string): Promise<string> {
  const all = unscoped(store.db, 'the range of names belongs to the controller, not to a tenant');
  return inTransaction(all, async (db) => {
    const row = await db.selectFrom('meta').select('value').where('key', '=', 'names').executeTakeFirst();
    const present = row?.value ?? rangeOfNames;
    if (wanted === null) return present;
    if (overlap(wanted, overlay)) throw new OperatorError(overlapText(wanted, overlay));
    if (wanted === present) return present;
    const { used, last } = await db
      .selectFrom('virtual_addresses')
      .select((eb) => [eb.fn.countAll<number>().as('used'), eb.fn.max<number | null>('number').as('last')])
      .where((eb) =>
        eb.or([eb('rests_until', 'is', null), eb('rests_until', '>', store.now()), eb('used_at', 'is not', null)]),
      )
      .executeTakeFirstOrThrow();
    if (used === 0) await db.deleteFrom('virtual_addresses').execute();
    else if (!keepsAddresses(present, wanted, last ?? 0)) throw new OperatorError(refusal(present, wanted, used));
    await db.deleteFrom('meta').where('key', '=', 'names').execute();
    if (wanted !== rangeOfNames) await db.insertInto('meta').values({ key: 'names', value: wanted }).execute();
    return wanted;
  });
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

const refusal = (present: string, wanted: string, used: number): string =>
  `SALLYPORT_VIRTUAL_RANGE is ${wanted}, but ${used} names have or had until lately addresses in ${present}, and some of these would change. ` +
  `Start with SALLYPORT_VIRTUAL_RANGE=${present}, or without it. A longer prefix that begins at the same address is taken while all of them lie in it. ` +
  'Another range is taken 31 days after the last name was removed.';
