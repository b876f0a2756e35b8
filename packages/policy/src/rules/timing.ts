import type { ASTNode } from '@marcbachmann/cel-js';
import { childrenOf } from './ast.ts';

/** Sorted hours or minutes at which an answer can change; null: any. */
type Cuts = readonly number[] | null;

/** When the answers of an expression that depends on the time can change. */
export interface Timing {
  readonly hours: Cuts;
  /** Minutes of an hour at which answers can change. */
  readonly minutes: Cuts;
  readonly asksMinutes: boolean;
  /** Most changes in one day. */
  readonly perDay: number;
}

/** Returns when the answers of an expression can change. */
export function timingOf(ast: ASTNode): Timing {
  const found: Found = { hours: [], minutes: [], others: 0 };
  look(ast, found);
  const [hours, minutes] = [cutsOf(found.hours, 24), cutsOf(found.minutes, 60)];
  const byHours = found.hours?.length === 0 ? 0 : (hours?.length ?? 23) + 1;
  const byMinutes = found.minutes?.length === 0 ? 0 : 24 * ((minutes?.length ?? 59) + 1);
  const perDay = Math.min(minutesOfDay, found.others + byHours + byMinutes);
  return { hours, minutes, asksMinutes: found.minutes?.length !== 0, perDay };
}

interface Found {
  /** Values at which answers can change; null: any. */
  hours: number[] | null;
  minutes: number[] | null;
  /** Changes of everything else, in one day. */
  others: number;
}

const minutesOfDay = 1440;

function look(node: ASTNode, found: Found): void {
  const compared = comparison(node);
  const called = node.op === 'rcall' && isTime(node.args[1]);
  if (compared !== null) note(found, compared.field, compared.values);
  else if (node.op === '.' && isTime(node.args[0])) note(found, node.args[1], null);
  else if (isTime(node)) noteAny(found);
  else {
    if (called) found.others += changesOf(node.args[0], node.args[2]);
    for (const child of called ? node.args[2] : childrenOf(node)) look(child, found);
  }
}

/** Returns how often a method can change in a day: at each time or date it names, or at midnight for weekdays. */
function changesOf(method: string, args: readonly ASTNode[]): number {
  if (method === 'onWeekdays') return 1;
  return args.every(({ op }) => op === 'value') ? args.length : minutesOfDay;
}

/** Notes values at which answers about a field can change; null: at any value. */
function note(found: Found, field: string, values: readonly number[] | null): void {
  if (field === 'hour') found.hours = values === null ? null : (found.hours?.concat(values) ?? null);
  else if (field === 'minute') found.minutes = values === null ? null : (found.minutes?.concat(values) ?? null);
  else if (field === 'weekday' || field === 'date') found.others++;
  else noteAny(found);
}

/** Notes that the time is passed on, so that answers can change at any moment. */
function noteAny(found: Found): void {
  found.hours = null;
  found.minutes = null;
  found.others += minutesOfDay;
}

/**
 * Returns a comparison like `time.hour < 8` or `time.hour in [8, 9]`: the field, and the values at which it can change.
 */
function comparison(node: ASTNode): { field: string; values: number[] } | null {
  if (!comparisons.has(node.op)) return null;
  const [left, right] = node.args as [ASTNode, ASTNode];
  const field = fieldOf(left) ?? fieldOf(right);
  if (field === null) return null;
  const other = fieldOf(left) === null ? left : right;
  const given = node.op === 'in' && other.op === 'list' && other === right ? other.args : [other];
  const values = given.map((one) =>
    one.op === 'value' && typeof one.args === 'bigint' ? Number(one.args) : Number.NaN,
  );
  return values.every(Number.isSafeInteger) ? { field, values: values.flatMap((value) => [value, value + 1]) } : null;
}

const comparisons: ReadonlySet<string> = new Set(['==', '!=', '<', '<=', '>', '>=', 'in']);

/** Returns `hour` or `minute` when the node reads it, or null. */
function fieldOf(node: ASTNode): string | null {
  if (node.op !== '.' || !isTime(node.args[0])) return null;
  return node.args[1] === 'hour' || node.args[1] === 'minute' ? node.args[1] : null;
}

function isTime(node: ASTNode): boolean {
  return node.op === 'id' && node.args === 'time';
}

function cutsOf(values: readonly number[] | null, end: number): Cuts {
  if (values === null) return null;
  return [...new Set(values)].filter((value) => value > 0 && value < end).sort((a, b) => a - b);
}
