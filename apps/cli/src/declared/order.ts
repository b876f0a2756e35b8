/**
 * Returns the order of the policies of one type. Policies that the file names take its order, in the positions that
 * they hold among the others. Policies that the file omits do not move. A new policy follows the one that the file
 * names before it, else precedes the first that it names after it, else stands last.
 */
export function merged(present: readonly string[], wanted: readonly string[]): string[] {
  const there = new Set(present);
  const queue = wanted.filter((key) => there.has(key));
  const named = new Set(queue);
  let next = 0;
  const order = present.map((key) => (named.has(key) ? (queue[next++] ?? key) : key));
  let previous: string | undefined;
  for (const key of wanted) {
    if (!there.has(key)) order.splice(placeFor(order, previous, queue[0]), 0, key);
    previous = key;
  }
  return order;
}

function placeFor(order: readonly string[], previous: string | undefined, first: string | undefined): number {
  if (previous !== undefined) return order.indexOf(previous) + 1;
  return first === undefined ? order.length : order.indexOf(first);
}
