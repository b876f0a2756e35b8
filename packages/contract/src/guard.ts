/**
 * Wraps a callback for a socket, timer, stream or worker. Passes thrown errors and rejections to `failed`. Uncaught, they
 * would end the process and all of its other work.
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
 * Reports the first of many failures, then at most one per `everyMs` milliseconds with the number of failures in between.
 * For edges where an untrusted party decides how often a callback runs.
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
