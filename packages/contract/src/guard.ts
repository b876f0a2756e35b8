/**
 * A callback for a socket, a timer, a stream or a worker. What it throws, or what its promise rejects with, goes to `failed`
 * and no further: uncaught it would end the process, and with it the work of everybody else.
 */
export function guarded<A extends unknown[]>(
  failed: (error: unknown) => void,
  run: (...values: A) => unknown,
): (...values: A) => void {
  return (...values) => {
    try {
      const result = run(...values);
      if (result instanceof Promise) result.catch(failed);
    } catch (error) {
      failed(error);
    }
  };
}

/**
 * Tells the first of many failures, and then one in `everyMs` at most with the number of those in between. For edges where
 * a stranger decides how often a callback runs.
 */
export function occasionally(
  tell: (error: unknown, before: number) => void,
  now: () => number,
  everyMs = 10_000,
): (error: unknown) => void {
  let [next, untold] = [Number.NEGATIVE_INFINITY, 0];
  return (error) => {
    const at = now();
    if (at < next) {
      untold++;
      return;
    }
    tell(error, untold);
    [next, untold] = [at + everyMs, 0];
  };
}
