/**
 * Timeout of a wait in a test. Only a failing test waits this long. It is generous, because a busy machine is many
 * times slower.
 */
export const patienceMs = 60_000;

/** Polls until `probe` returns something other than null, undefined or false; throws with `what` after `timeoutMs`. */
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

/**
 * Returns true when `probe` stays true for `forMs`, and false as soon as it does not. Use it to check that nothing
 * happens.
 */
export async function holds(probe: () => boolean | Promise<boolean>, forMs: number, everyMs = 50): Promise<boolean> {
  const end = performance.now() + forMs;
  while (performance.now() < end) {
    if (!(await probe())) return false;
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
  return true;
}
