/** Values per statement: SQLite takes a bounded number of parameters. */
const valuesPerStatement = 500;

/** Splits a list into parts that fit into one statement each. */
export function* chunks<T>(items: readonly T[], size = valuesPerStatement): Generator<readonly T[]> {
  for (let at = 0; at < items.length; at += size) yield items.slice(at, at + size);
}

/** Returns the rows of `where … in (…)` for a list of any length. */
export async function selectIn<T, R>(
  items: readonly T[],
  select: (part: readonly T[]) => Promise<readonly R[]>,
): Promise<R[]> {
  const rows: R[] = [];
  for (const part of chunks(items)) for (const row of await select(part)) rows.push(row);
  return rows;
}
