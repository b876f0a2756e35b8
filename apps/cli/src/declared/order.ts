/**
 * The order of policies of one type. Those that the file names stand in its order, in the places that they have among
 * the others; those that the file leaves out do not move. A new one stands directly behind the one that the file names
 * before it, else directly before the first that it names after it, else last.
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
