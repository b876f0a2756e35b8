/**
 * How long a test waits for what must happen. Only a failing test waits so long, so it is generous: on a busy machine
 * everything takes many times longer.
 */
export const patienceMs = 60_000;

/** Polls until `probe` gives something other than null, undefined or false; throws with `what` after `timeoutMs`. */
export async function until<T>(
  what: string,
  probe: () => T | Promise<T>,
  { timeoutMs = patienceMs, everyMs = 50 }: { timeoutMs?: number; everyMs?: number } = {},
): Promise<NonNullable<Exclude<T, false>>> {
  const end = performance.now() + timeoutMs;
  let last: unknown;
  for (;;) {
    try {
      const value = await probe();
      if (value !== null && value !== undefined && value !== false) return value as NonNullable<Exclude<T, false>>;
      last = value;
    } catch (error) {
      last = error;
    }
    if (performance.now() > end) throw new Error(`waited ${timeoutMs} ms for ${what}`, { cause: last });
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
}

/** True when `probe` stays true for `forMs`; false as soon as it is not. For "nothing happens" with a bounded watch. */
export async function holds(probe: () => boolean | Promise<boolean>, forMs: number, everyMs = 50): Promise<boolean> {
  const end = performance.now() + forMs;
  while (performance.now() < end) {
    if (!(await probe())) return false;
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
  return true;
}
