/**
 * Waits for work, up to a number of milliseconds. Returns the result, or null after a timeout; the work itself continues.
 * Rejects when the work rejects in time. Always clears its timer.
 */
export async function within<T>(work: Promise<T>, ms: number): Promise<T | null> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<null>((resolve) => {
    timer = setTimeout(resolve, ms, null);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
