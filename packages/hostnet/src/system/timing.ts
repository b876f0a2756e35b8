/** Milliseconds. A text that the kernel takes sooner ends nothing too late. */
const PROMPT = 20;

/** Reads epoch milliseconds. */
export type Clock = () => number;

/** A clock that goes on from `now`. It does not jump when the host's time is set. */
export function clockFrom(now: number): Clock {
  const began = performance.now();
  return () => now + (performance.now() - began);
}

/**
 * Sets timeouts again that were rendered at `rendered` and that the kernel took late: they count from when it takes them.
 * `again` commits them as of the given moment, and says false when that failed or when there are none. Repeats while that
 * is much faster than before, so that many timeouts are not set forever.
 */
export async function catchUp(clock: Clock, rendered: number, again: (now: number) => Promise<boolean>): Promise<void> {
  let took = clock() - rendered;
  for (let before = Number.POSITIVE_INFINITY; took > PROMPT && took < before / 2; ) {
    const at = clock();
    if (!(await again(at))) return;
    [before, took] = [took, clock() - at];
  }
}
