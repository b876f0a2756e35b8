/** Milliseconds. A delay below this needs no correction. */
const PROMPT = 20;

/** Returns epoch milliseconds. */
export type Clock = () => number;

/** Returns a clock that starts at `now`. It does not jump when the host's time is set. */
export function clockFrom(now: number): Clock {
  const began = performance.now();
  return () => now + (performance.now() - began);
}

/**
 * Sets timeouts again when the kernel took them late. They were computed at `rendered`, but count from the time of the
 * commit. `again` commits them as of the given moment; it returns false when that failed or there are none. Repeats
 * only while each commit takes less than half as long as the previous one, so the loop ends.
 */
export async function catchUp(clock: Clock, rendered: number, again: (now: number) => Promise<boolean>): Promise<void> {
  let took = clock() - rendered;
  for (let before = Number.POSITIVE_INFINITY; took > PROMPT && took < before / 2; ) {
    const at = clock();
    if (!(await again(at))) return;
    [before, took] = [took, clock() - at];
  }
}
