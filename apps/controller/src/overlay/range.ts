import { formatPrefix, parsePrefix, rangeContains } from '@sallyport/ip';
import type { ExpressionBuilder } from 'kysely';
import type { Database } from '../db/schema.ts';
import { unscoped } from '../db/scoped.ts';
import type { Store } from '../db/store.ts';
import { inTransaction } from '../db/transactions.ts';
import { OperatorError } from '../errors.ts';
import { blockSize } from './blocks.ts';

/** Networks that are not reachable over the internet. The overlay must lie in one of them. */
const permitted = ['10.0.0.0/8', '100.64.0.0/10', '172.16.0.0/12', '192.168.0.0/16', '198.18.0.0/15'];

/** Returns why a text cannot be the overlay range; null when it can. */
export const overlayRefusal = (text: string): string | null =>
  rangeRefusal(text, { shortest: 8, longest: 20, example: '100.64.0.0/11' });

/** Lengths that a range may have, and one that it can be. */
interface RangeRule {
  readonly shortest: number;
  readonly longest: number;
  readonly example: string;
}

/** Returns why a text cannot be a range of addresses in the tunnel; null when it can. */
export function rangeRefusal(text: string, { shortest, longest, example }: RangeRule): string | null {
  const range = parsePrefix(text);
  const canonical = range === null ? '' : formatPrefix(range);
  if (range === null || range.family !== 4 || canonical !== text)
    return `must be an IPv4 prefix without host bits, for example ${example}`;
  if (range.length < shortest || range.length > longest) return `must have a length from /${shortest} to /${longest}`;
  const inside = permitted.some((one) => {
    const outer = parsePrefix(one);
    return outer !== null && rangeContains(outer, 4, range.first) && rangeContains(outer, 4, range.last);
  });
  return inside ? null : `must lie in one of ${permitted.join(', ')}`;
}

/** The overlay range of the controller as a column `overlay` of a query of `tenants`. */
export const overlayColumn = (eb: ExpressionBuilder<Database, 'tenants'>) =>
  eb.selectFrom('meta').select('meta.value').where('meta.key', '=', 'overlay').$asScalar().$notNull().as('overlay');

/**
 * Applies the range that the operator wants and returns the range in force. A range with used numbers can only become
 * shorter or longer at its end, so that every number keeps its address. `mayChange` throws when the range cannot change
 * now. Throws OperatorError when an address would change.
 */
export async function settleOverlay(
  store: Store,
  wanted: string | null,
  mayChange: () => void = () => undefined,
): Promise<string> {
  const all = unscoped(store.db, 'the overlay belongs to the controller, not to a tenant');
  return inTransaction(all, async (db) => {
    const row = await db.selectFrom('meta').select('value').where('key', '=', 'overlay').executeTakeFirstOrThrow();
    const present = row.value;
    if (wanted === null || wanted === present) return present;
    mayChange();
    const { used } = await db
      .selectFrom('overlay_leases')
      .select((eb) => eb.fn.countAll<number>().as('used'))
      .where((eb) => eb.or([eb('rests_until', 'is', null), eb('rests_until', '>', store.now())]))
      .executeTakeFirstOrThrow();
    const { last } = await db
      .selectFrom('overlay_blocks')
      .select((eb) => eb.fn.max<number | null>('block').as('last'))
      .executeTakeFirstOrThrow();
    if (used === 0) {
      await db.deleteFrom('overlay_leases').execute();
      await db.deleteFrom('overlay_blocks').execute();
    } else if (!keepsAddresses(present, wanted, last ?? 0)) throw new OperatorError(refusal(present, wanted, used));
    await db.updateTable('meta').set({ value: wanted }).where('key', '=', 'overlay').execute();
    return wanted;
  });
}

function keepsAddresses(present: string, wanted: string, lastBlock: number): boolean {
  const [before, after] = [parsePrefix(present), parsePrefix(wanted)];
  if (before === null || after === null || before.first !== after.first) return false;
  return (lastBlock + 1) * blockSize <= Number(after.last - after.first);
}

const refusal = (present: string, wanted: string, used: number): string =>
  `SALLYPORT_OVERLAY is ${wanted}, but ${used} gateways and devices have or had until lately addresses in ${present}, and some of these would change. ` +
  `Start with SALLYPORT_OVERLAY=${present}, or without it. A longer prefix that begins at the same address is taken while all of them lie in it. ` +
  'To move to another network: save the tenants with "sally export", start a controller with another SALLYPORT_DATA_DIR and the new SALLYPORT_OVERLAY, apply them there with "sally apply", and enrol gateways and devices again.';
